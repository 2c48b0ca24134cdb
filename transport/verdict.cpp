#include "transport/verdict.h"

#include <string_view>
#include <utility>

namespace bulkmail::transport {

namespace {

using spool::Action;
using spool::Outcome;
using spool::Source;

// RFC 3463 codes for what no reply names better.
constexpr std::string_view no_answer_from_host = "4.4.1";
constexpr std::string_view bad_connection = "4.4.2";
constexpr std::string_view other_security_trouble = "4.7.0";
constexpr std::string_view security_not_supported = "4.7.4";
constexpr std::string_view cryptographic_failure = "4.7.5";
constexpr std::string_view not_accepting_messages = ".3.2";
constexpr std::string_view too_many = ".5.3";
constexpr std::string_view undefined = ".0.0";

constexpr std::string_view bad_credentials = ".7.8"; // RFC 4954 §6

char class_of(Action action) {
  return action == Action::delayed ? '4' : action == Action::failed ? '5' : '2';
}

// The reply's own code as far as it has one, in the class of what is done about it: a 5yz that is tried again
// is 4.X.Y.
std::string status_for(Action action, const Reply& reply, Stage stage) {
  std::string status(1, class_of(action));
  if (!reply.enhanced.empty()) return status.append(reply.enhanced, 1);
  if (stage == Stage::rcpt && too_many_recipients(reply)) return status.append(too_many);
  if (stage == Stage::auth) return status.append(bad_credentials);
  const bool about_the_host = stage == Stage::greeting || reply.code == service_not_available;
  return status.append(about_the_host ? not_accepting_messages : undefined);
}

Outcome at(const Peer& peer, Wall now) {
  Outcome outcome;
  outcome.remote_mta = peer.host;
  outcome.remote_address = peer.address;
  outcome.remote_port = peer.port;
  outcome.tls = peer.tls;
  outcome.last_attempt_date = now;
  return outcome;
}

std::string local_diagnostic(std::string_view text) { return "x-bulkmail; " + printable(text); }

Outcome replied(Action action, const Reply& reply, Stage stage, const Peer& peer, Wall now) {
  Outcome outcome = at(peer, now);
  outcome.action = action;
  outcome.source = Source::remote;
  outcome.status = status_for(action, reply, stage);
  outcome.diagnostic_code = "smtp; " + reply.text();
  return outcome;
}

Outcome unanswered(Action action, Stage stage, std::string_view text, const Peer& peer, Wall now) {
  Outcome outcome = at(peer, now);
  outcome.action = action;
  outcome.source = Source::network;
  outcome.status = stage == Stage::connect ? no_answer_from_host : bad_connection;
  outcome.diagnostic_code = local_diagnostic(text);
  return outcome;
}

// What the host lacks may come back: nothing about TLS is final before the message expires.
bool is_about_tls(const Trouble& trouble) {
  return trouble.kind == Trouble::Kind::insecure || trouble.stage == Stage::tls ||
         (trouble.stage == Stage::starttls && trouble.kind == Trouble::Kind::malformed);
}

Outcome insecure(const Trouble& trouble, const Peer& peer, Wall now) {
  Outcome outcome = unanswered(Action::delayed, trouble.stage, trouble.text, peer, now);
  outcome.source = Source::tls;
  outcome.status = trouble.stage == Stage::tls                ? cryptographic_failure
                   : trouble.kind == Trouble::Kind::malformed ? other_security_trouble
                                                              : security_not_supported;
  if (trouble.reply) outcome.diagnostic_code = "smtp; " + trouble.reply->text();
  return outcome;
}

Action refusal(const Reply& reply, Stage stage) {
  const bool for_good = reply.kind() == 5 && !(stage == Stage::rcpt && too_many_recipients(reply));
  return for_good ? Action::failed : Action::delayed;
}

} // namespace

Outcome verdict(const RecipientResult& result, const Peer& peer, bool retry_indeterminate, Wall now) {
  using Kind = RecipientResult::Kind;
  switch (result.kind) {
  case Kind::accepted: {
    Outcome outcome = replied(peer.final_delivery ? Action::delivered : Action::relayed, *result.reply,
                              result.stage, peer, now);
    outcome.dsn_taken_over = peer.dsn;
    return outcome;
  }
  case Kind::refused:
    return replied(refusal(*result.reply, result.stage), *result.reply, result.stage, peer, now);
  case Kind::indeterminate: {
    Outcome outcome = unanswered(retry_indeterminate ? Action::delayed : Action::failed, result.stage,
                                 result.text, peer, now);
    outcome.indeterminate = true;
    return outcome;
  }
  case Kind::unsuitable: {
    Outcome outcome = at(peer, now);
    outcome.action = Action::failed;
    outcome.source = Source::local;
    outcome.status = result.enhanced;
    outcome.diagnostic_code = local_diagnostic(result.text);
    return outcome;
  }
  case Kind::again:
  case Kind::lost: break;
  }
  return unanswered(Action::delayed, result.stage, result.text, peer, now);
}

Outcome verdict(const Trouble& trouble, const Peer& peer, bool every_host_refused, Wall now) {
  if (is_about_tls(trouble)) return insecure(trouble, peer, now);
  // Whatever is wrong about a login is wrong here: the mail waits until it is mended.
  if (trouble.kind == Trouble::Kind::no_entry && !trouble.reply) {
    Outcome outcome = unanswered(Action::delayed, trouble.stage, trouble.text, peer, now);
    outcome.source = Source::policy;
    outcome.status = "4" + std::string(bad_credentials);
    return outcome;
  }
  if (!trouble.reply) return unanswered(Action::delayed, trouble.stage, trouble.text, peer, now);
  const bool final = every_host_refused && trouble.kind == Trouble::Kind::refused &&
                     refusal(*trouble.reply, trouble.stage) == Action::failed;
  return replied(final ? Action::failed : Action::delayed, *trouble.reply, trouble.stage, peer, now);
}

Outcome local_outcome(Action action, Source source, std::string status, std::string text, Wall now) {
  Outcome outcome;
  outcome.action = action;
  outcome.source = source;
  outcome.status = std::move(status);
  outcome.diagnostic_code = local_diagnostic(text);
  outcome.last_attempt_date = now;
  return outcome;
}

} // namespace bulkmail::transport
