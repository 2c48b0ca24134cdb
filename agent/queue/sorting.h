// The recipients of a message by domain: what the queue wants to know of an envelope, found out by whoever has the time, as
// it takes milliseconds for a list of 100,000. The loop only joins the groups to the domains it knows.
#pragma once

#include "spool/envelope.h"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace bulkmail::agent {

struct SortedRecipients {
  struct Group {
    std::string domain; // canonical: lower case, A-labels; as it was written if there is an error
    std::string error;  // why it has no canonical form; empty: it has
    std::uint32_t begin = 0, end = 0; // in `order`
  };

  std::vector<std::uint32_t>
      order; // domain by domain, within one as in the envelope; without the malformed ones
  std::vector<Group> groups;
  std::vector<std::uint32_t> malformed; // they have no domain, and fail alone
  bool one_by_one = false;              // each must have a transaction of its own
};

// All recipients of an envelope, or some.
[[nodiscard]] SortedRecipients sort_by_domain(const spool::Envelope& envelope);
[[nodiscard]] SortedRecipients sort_by_domain(const spool::Envelope& envelope,
                                              std::span<const std::uint32_t> recipients);

} // namespace bulkmail::agent
