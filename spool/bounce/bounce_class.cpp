#include "spool/bounce/bounce_class.h"

#include "spool/bounce/codes.h"
#include "spool/bounce/phrases.h"

#include <charconv>

namespace bulkmail::spool {
namespace {

using enum BounceClass;

constexpr std::string_view from_reply = "smtp; ";
constexpr std::string_view from_here = "x-bulkmail; ";
constexpr int service_not_available = 421; // RFC 5321 §3.8: whatever it was said to

std::string_view behind(std::string_view text, std::string_view prefix) {
  return text.starts_with(prefix) ? text.substr(prefix.size()) : std::string_view();
}

int reply_code(std::string_view reply) {
  int code = 0;
  std::from_chars(reply.data(), reply.data() + reply.size(), code);
  return code;
}

BounceClass local_class(const Outcome& outcome) {
  if (behind(outcome.diagnostic_code, from_here).starts_with(cancelled_text)) return cancelled;
  const std::string_view detail = std::string_view(outcome.status).substr(outcome.status.empty() ? 0 : 1);
  if (detail == ".1.3") return bad_address;
  if (detail == ".3.4" || detail == ".2.3") return too_large;
  if (detail.starts_with(".6.")) return protocol; // an extension that the message needs is not offered
  return local;
}

BounceClass dns_class(const Outcome& outcome) {
  const std::string_view detail = std::string_view(outcome.status).substr(outcome.status.empty() ? 0 : 1);
  return detail == ".1.2" || detail == ".1.10" ? domain_unknown : dns;
}

// Our own rules: where mail may not go, or not in clear.
BounceClass own_policy_class(const Outcome& outcome) {
  const std::string_view detail = std::string_view(outcome.status).substr(outcome.status.empty() ? 0 : 1);
  if (detail.starts_with(".4.")) return dns; // the domain's names lead to addresses that can't be meant
  return detail.starts_with(".7.") ? tls : policy;
}

} // namespace

std::string_view to_string(BounceClass what) {
  switch (what) {
  case none: return "";
  case mailbox_unknown: return "mailbox-unknown";
  case mailbox_disabled: return "mailbox-disabled";
  case mailbox_full: return "mailbox-full";
  case bad_address: return "bad-address";
  case domain_unknown: return "domain-unknown";
  case sender_refused: return "sender-refused";
  case auth: return "auth";
  case spam_block: return "spam-block";
  case content: return "content";
  case policy: return "policy";
  case relaying: return "relaying";
  case too_large: return "too-large";
  case rate_limited: return "rate-limited";
  case greylisted: return "greylisted";
  case system: return "system";
  case dns: return "dns";
  case network: return "network";
  case tls: return "tls";
  case protocol: return "protocol";
  case expired: return "expired";
  case local: return "local";
  case cancelled: return "cancelled";
  case unclassified: return "unclassified";
  }
  return "";
}

BounceClass classify_reply(std::string_view reply) {
  const std::string plain = plain_words(reply);
  if (const auto said = class_by_words(plain)) return *said;
  // "550 5.1.1 …"; a reply without an enhanced code has only its three digits.
  constexpr std::size_t code_and_space = 4;
  const std::string_view text =
      reply.size() > code_and_space ? reply.substr(code_and_space) : std::string_view();
  const std::string_view status = text.substr(0, text.find(' '));
  if (const auto coded = class_by_enhanced_code(status)) return *coded;
  return class_by_reply_code(reply_code(reply)).value_or(unclassified);
}

BounceClass bounce_class(const Outcome& outcome) {
  if (outcome.action != Action::failed && outcome.action != Action::delayed) return none;
  switch (outcome.source) {
  case Source::remote: return classify_reply(behind(outcome.diagnostic_code, from_reply));
  case Source::dns: return dns_class(outcome);
  case Source::network: return network;
  case Source::tls: return tls;
  case Source::policy: return own_policy_class(outcome);
  case Source::local: return local_class(outcome);
  case Source::expired: return expired;
  case Source::none: break;
  }
  return unclassified;
}

bool means_slower(const Outcome& outcome) {
  if (outcome.action != Action::delayed || outcome.source != Source::remote) return false;
  const std::string_view reply = behind(outcome.diagnostic_code, from_reply);
  switch (classify_reply(reply)) {
  case rate_limited:
  case system:
  case spam_block: // for now, that is: what the host thinks of our address gets worse with what we send
  case unclassified: return true;
  default: return reply_code(reply) == service_not_available;
  }
}

} // namespace bulkmail::spool
