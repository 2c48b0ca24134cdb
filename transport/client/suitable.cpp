#include "transport/client/suitable.h"

#include "spool/ascii.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace bulkmail::transport {

namespace {

bool is_ascii(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

// Nothing that ends the command line, and outside quotes nothing that ends the path in its angle brackets.
// That the address is one at all the spool has seen to (and the peer will).
bool stays_inside_brackets(std::string_view address) {
  bool quoted = false;
  for (std::size_t i = 0; i < address.size(); ++i) {
    const char c = address[i];
    if ((c >= 0 && c < 0x20) || c == 0x7f) return false;
    if (quoted && c == '\\') {
      if (++i == address.size() || address[i] < 0x20 || address[i] == 0x7f) return false;
    } else if (c == '"') {
      quoted = !quoted;
    } else if (!quoted && (c == ' ' || c == '<' || c == '>')) {
      return false;
    }
  }
  return !quoted;
}

RecipientResult never_sent(Stage stage, std::string enhanced, std::string text) {
  return {.kind = RecipientResult::Kind::unsuitable,
          .stage = stage,
          .reply = {},
          .text = std::move(text),
          .enhanced = std::move(enhanced)};
}

} // namespace

std::optional<RecipientResult> unsuitable(const Transaction& transaction, const Offer& offer,
                                          EightBit eight_bit) {
  if (!stays_inside_brackets(transaction.sender)) {
    return never_sent(Stage::mail, "5.1.7", "the sender's address is malformed");
  }
  const bool wanted = transaction.needs_smtp_utf8;
  if ((wanted && !offer.smtp_utf8) || (!wanted && !is_ascii(transaction.sender))) {
    return never_sent(Stage::mail, "5.6.7",
                      wanted ? "the host does not offer SMTPUTF8" : "the sender needs SMTPUTF8");
  }
  if (offer.size.value_or(0) != 0 && transaction.size > *offer.size) {
    return never_sent(
        Stage::mail, "5.3.4",
        fmt::format("{} octets are more than the {} that the host takes", transaction.size, *offer.size));
  }
  if (transaction.eight_bit && !offer.eight_bit_mime && eight_bit == EightBit::fail) {
    return never_sent(Stage::mail, "5.6.3", "the host does not offer 8BITMIME");
  }
  return std::nullopt;
}

std::optional<RecipientResult> unsuitable(const TransactionRecipient& recipient, bool smtp_utf8) {
  if (recipient.address.empty() || !stays_inside_brackets(recipient.address)) {
    return never_sent(Stage::rcpt, "5.1.3", "the recipient's address is malformed");
  }
  if (!smtp_utf8 && !is_ascii(recipient.address)) {
    return never_sent(Stage::rcpt, "5.6.7", "the address needs SMTPUTF8");
  }
  return std::nullopt;
}

bool RecipientLimits::takes(std::string_view address) {
  if (recipients_ != 0 && taken_ == recipients_) return false;
  if (domains_ != 0) {
    std::string domain(address.substr(std::min(address.rfind('@'), address.size())));
    std::ranges::transform(domain, domain.begin(), spool::lower);
    if (std::ranges::find(known_, domain) == known_.end()) {
      if (known_.size() == domains_) return false;
      known_.push_back(std::move(domain));
    }
  }
  ++taken_;
  return true;
}

bool is_parameter_value(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7f; });
}

} // namespace bulkmail::transport
