// From an attempt to the transaction that a given host can take (RFC 6531 §3.2, RFC 5890 for A-labels).
#pragma once

#include "spool/message.h"
#include "transport/client/client.h"

#include <optional>
#include <span>
#include <vector>

namespace bulkmail::agent {

struct BuiltTransaction {
  transport::Transaction transaction;
  // Empty if everybody is in the transaction; else one entry a recipient, set for those that this host cannot take.
  std::vector<std::optional<transport::RecipientResult>> unsuitable;
};

// Without SMTPUTF8 on the other side an ASCII local part goes with the A-label of its domain; another one is unsuitable.
[[nodiscard]] BuiltTransaction build_transaction(const spool::MessageFacts& facts,
                                                 std::span<const std::uint32_t> recipients,
                                                 const transport::Offer& offer);

} // namespace bulkmail::agent
