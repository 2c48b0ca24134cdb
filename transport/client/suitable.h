// What may be sent to a host at all: its limits and offers (RFC 1870, 6152, 6531) against a transaction, and
// addresses that can't break out of their command line.
#pragma once

#include "transport/client/offer.h"
#include "transport/client/transaction.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bulkmail::transport {

// To a host without 8BITMIME, content over 127: as it is (most take it), or not at all.
enum class EightBit : std::uint8_t { send, fail };

// Why nothing of the transaction can be sent; none: it can.
[[nodiscard]] std::optional<RecipientResult> unsuitable(const Transaction& transaction, const Offer& offer,
                                                        EightBit eight_bit);
// Why this recipient can't.
[[nodiscard]] std::optional<RecipientResult> unsuitable(const TransactionRecipient& recipient,
                                                        bool smtp_utf8);

// What of a transaction's recipients a host takes at once (RFC 9422): the others go into another one.
class RecipientLimits {
 public:
  explicit RecipientLimits(const Offer& offer)
      : recipients_(offer.rcpt_max),
        domains_(offer.rcpt_domain_max) {}

  [[nodiscard]] bool takes(std::string_view address); // asked once for each, in their order

 private:
  std::uint32_t recipients_, domains_; // 0: no limit
  std::uint32_t taken_ = 0;
  std::vector<std::string> known_; // domains of those taken
};

// Printable ASCII without a space (RFC 3461 §4 xtext is): safe as a parameter's value.
[[nodiscard]] bool is_parameter_value(std::string_view text);

} // namespace bulkmail::transport
