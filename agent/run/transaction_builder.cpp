#include "agent/run/transaction_builder.h"

#include "resolver/route.h"

#include <algorithm>

namespace bulkmail::agent {
namespace {

using transport::RecipientResult;

bool ascii(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

// The address as it is sent without SMTPUTF8; none: it has no such form.
std::optional<std::string> ascii_form(std::string_view local, std::string_view domain) {
  if (!ascii(local)) return std::nullopt;
  auto canonical = resolver::canonical_domain(domain);
  if (!canonical) return std::nullopt;
  return std::string(local) + "@" + *canonical;
}

RecipientResult needs_smtp_utf8() {
  RecipientResult result;
  result.kind = RecipientResult::Kind::unsuitable;
  result.stage = transport::Stage::mail;
  result.enhanced = "5.6.7";
  result.text = "the address needs SMTPUTF8, which the mail host does not offer";
  return result;
}

} // namespace

BuiltTransaction build_transaction(const spool::MessageFacts& facts,
                                   std::span<const std::uint32_t> recipients, const transport::Offer& offer) {
  const spool::Envelope& envelope = facts.envelope;
  BuiltTransaction built;
  auto& transaction = built.transaction;
  transaction.sender = envelope.sender_for(recipients.front());
  transaction.size = facts.size;
  transaction.eight_bit = facts.eight_bit;
  transaction.body = envelope.body;
  transaction.ret = envelope.ret;
  transaction.envid = envelope.envid;

  const bool international = offer.smtp_utf8;
  bool sender_fits = true;
  if (!international && !ascii(transaction.sender)) {
    const std::size_t at = transaction.sender.rfind('@');
    auto plain = at == std::string::npos ? std::nullopt
                                         : ascii_form(std::string_view(transaction.sender).substr(0, at),
                                                      std::string_view(transaction.sender).substr(at + 1));
    sender_fits = plain.has_value();
    if (plain) transaction.sender = std::move(*plain);
  }
  bool any_international = !ascii(transaction.sender);
  transaction.recipients.reserve(recipients.size());
  for (std::size_t i = 0; i < recipients.size(); ++i) {
    const spool::Recipient recipient = envelope.recipient(recipients[i]);
    std::optional<std::string> address{std::string(recipient.address)};
    if (!ascii(recipient.address)) {
      if (international)
        any_international = true;
      else
        address = ascii_form(recipient.local, recipient.domain);
    }
    if (!sender_fits || !address) {
      built.unsuitable.resize(recipients.size());
      built.unsuitable[i] = needs_smtp_utf8();
      continue;
    }
    transaction.recipients.push_back({std::move(*address), recipient.notify, std::string(recipient.orcpt)});
  }
  transaction.needs_smtp_utf8 = any_international || (envelope.smtp_utf8 && international);
  return built;
}

} // namespace bulkmail::agent
