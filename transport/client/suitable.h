// What may be sent to a host at all: its limits and offers (RFC 1870, 6152, 6531) against a transaction, and
// addresses that can't break out of their command line.
#pragma once

#include "transport/client/offer.h"
#include "transport/client/transaction.h"

#include <optional>

namespace bulkmail::transport {

// To a host without 8BITMIME, content over 127: as it is (most take it), or not at all.
enum class EightBit : std::uint8_t { send, fail };

// Why nothing of the transaction can be sent; none: it can.
[[nodiscard]] std::optional<RecipientResult> unsuitable(const Transaction& transaction, const Offer& offer,
                                                        EightBit eight_bit);
// Why this recipient can't.
[[nodiscard]] std::optional<RecipientResult> unsuitable(const TransactionRecipient& recipient,
                                                        bool smtp_utf8);

// Printable ASCII without a space (RFC 3461 §4 xtext is): safe as a parameter's value.
[[nodiscard]] bool is_parameter_value(std::string_view text);

} // namespace bulkmail::transport
