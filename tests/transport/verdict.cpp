#include "transport/verdict.h"

#include <catch2/catch.hpp>

#include <string>
#include <string_view>
#include <utility>

using namespace bulkmail;
using namespace bulkmail::transport;
using spool::Action;
using spool::Outcome;
using spool::Source;
using Kind = RecipientResult::Kind;

namespace {

const Peer peer{"mx1.d1.example", "192.0.2.7", 2525, false, {}};
const Wall now{std::chrono::milliseconds(1'700'000'000'123)};

Reply reply(std::string_view line) {
  ReplyParser parser;
  parser.feed(std::string(line) + "\r\n");
  REQUIRE(parser.done());
  return parser.take();
}

Outcome refused(std::string_view line, Stage stage) {
  return verdict({.kind = Kind::refused, .stage = stage, .reply = reply(line), .text = {}, .enhanced = {}},
                 peer, true, now);
}

Outcome unanswered(Kind kind, Stage stage, bool retry_indeterminate = true) {
  return verdict({.kind = kind, .stage = stage, .reply = {}, .text = "connection lost", .enhanced = {}}, peer,
                 retry_indeterminate, now);
}

Outcome not_set_up(Trouble::Kind kind, Stage stage, SharedReply answer, bool every_host_refused) {
  return verdict({.kind = kind, .stage = stage, .reply = std::move(answer), .text = "connection refused"},
                 peer, every_host_refused, now);
}

} // namespace

TEST_CASE("verdict: a message that was taken is relayed") {
  const Outcome outcome = verdict({.kind = Kind::accepted,
                                   .stage = Stage::end_of_data,
                                   .reply = reply("250 2.6.0 Ok: queued"),
                                   .text = {},
                                   .enhanced = {}},
                                  peer, true, now);
  CHECK(outcome.action == Action::relayed);
  CHECK(outcome.source == Source::remote);
  CHECK(outcome.status == "2.6.0");
  CHECK(outcome.diagnostic_code == "smtp; 250 2.6.0 Ok: queued");
  CHECK(outcome.remote_mta == "mx1.d1.example");
  CHECK(outcome.remote_address == "192.0.2.7");
  CHECK(outcome.remote_port == 2525);
  CHECK(outcome.last_attempt_date == now);
  CHECK_FALSE(outcome.tls);
  CHECK_FALSE(outcome.indeterminate);
  CHECK(outcome.attempted);
}

TEST_CASE("verdict: 5yz fails, 4yz delays, with the code of the reply or one of its class") {
  for (const Stage stage : {Stage::mail, Stage::rcpt, Stage::data, Stage::content, Stage::end_of_data}) {
    CHECK(refused("550 5.1.1 No such user", stage).action == Action::failed);
    CHECK(refused("550 5.1.1 No such user", stage).status == "5.1.1");
    CHECK(refused("554 No", stage).status == "5.0.0");
    CHECK(refused("450 4.2.1 Greylisted", stage).action == Action::delayed);
    CHECK(refused("450 4.2.1 Greylisted", stage).status == "4.2.1");
    CHECK(refused("451 Later", stage).status == "4.0.0");
    CHECK(refused("451 5.7.1 Later", stage).status == "4.0.0");
    CHECK(refused("421 Closing", stage).action == Action::delayed);
    CHECK(refused("421 Closing", stage).status == "4.3.2");
    CHECK(refused("421 4.7.0 Too fast", stage).status == "4.7.0");
  }
  const Outcome outcome = refused("550-5.1.1 No such user\r\n550 5.1.1 here", Stage::rcpt);
  CHECK(outcome.source == Source::remote);
  CHECK(outcome.diagnostic_code == "smtp; 550 5.1.1 No such user / 5.1.1 here");
}

TEST_CASE("verdict: too many recipients delays the first of a transaction, whatever class the host names") {
  for (const std::string_view line :
       {"452 4.5.3 Too many", "552 5.5.3 Too many", "452 Too many", "552 Too many", "552 4.5.3 Too many"}) {
    INFO(line);
    CHECK(refused(line, Stage::rcpt).action == Action::delayed);
    CHECK(refused(line, Stage::rcpt).status == "4.5.3");
  }
  CHECK(refused("552 5.2.2 Mailbox full", Stage::rcpt).action == Action::failed);
  CHECK(refused("452 4.2.2 Mailbox full", Stage::rcpt).status == "4.2.2");
  CHECK(refused("552 Too big", Stage::end_of_data).action == Action::failed);
  CHECK(refused("552 5.5.3 Too many", Stage::mail).action == Action::failed);
}

TEST_CASE("verdict: without an answer it is delayed, and the network's fault") {
  const Outcome lost = unanswered(Kind::lost, Stage::rcpt);
  CHECK(lost.action == Action::delayed);
  CHECK(lost.source == Source::network);
  CHECK(lost.status == "4.4.2");
  CHECK(lost.diagnostic_code == "x-bulkmail; connection lost");
  CHECK_FALSE(lost.indeterminate);
  CHECK(unanswered(Kind::lost, Stage::connect).status == "4.4.1");
}

TEST_CASE("verdict: what may have arrived is tried again or not, as configured") {
  const Outcome again = unanswered(Kind::indeterminate, Stage::end_of_data, true);
  CHECK(again.action == Action::delayed);
  CHECK(again.status == "4.4.2");
  CHECK(again.indeterminate);
  const Outcome stop = unanswered(Kind::indeterminate, Stage::end_of_data, false);
  CHECK(stop.action == Action::failed);
  CHECK(stop.status == "4.4.2");
  CHECK(stop.source == Source::network);
  CHECK(stop.indeterminate);
}

TEST_CASE("verdict: what a host can't take fails for a local cause") {
  const Outcome outcome = verdict(
      {.kind = Kind::unsuitable, .stage = Stage::mail, .reply = {}, .text = "too big", .enhanced = "5.3.4"},
      peer, true, now);
  CHECK(outcome.action == Action::failed);
  CHECK(outcome.source == Source::local);
  CHECK(outcome.status == "5.3.4");
  CHECK(outcome.diagnostic_code == "x-bulkmail; too big");
  CHECK(outcome.remote_mta == "mx1.d1.example");
}

TEST_CASE("verdict: a session refused for good by every host fails, by some of them delays") {
  const SharedReply no{reply("554 5.7.1 No mail from you")};
  const Outcome every = not_set_up(Trouble::Kind::refused, Stage::greeting, no, true);
  CHECK(every.action == Action::failed);
  CHECK(every.status == "5.7.1");
  CHECK(every.source == Source::remote);
  CHECK(every.diagnostic_code == "smtp; 554 5.7.1 No mail from you");
  const Outcome some = not_set_up(Trouble::Kind::refused, Stage::greeting, no, false);
  CHECK(some.action == Action::delayed);
  CHECK(some.status == "4.7.1");
  CHECK(not_set_up(Trouble::Kind::refused, Stage::greeting, reply("521 No"), true).status == "5.3.2");
  CHECK(not_set_up(Trouble::Kind::refused, Stage::ehlo, reply("550 No"), true).status == "5.0.0");
  CHECK(not_set_up(Trouble::Kind::refused, Stage::greeting, reply("450 Later"), true).action ==
        Action::delayed);
  CHECK(not_set_up(Trouble::Kind::shutdown, Stage::greeting, reply("421 Later"), true).status == "4.3.2");
}

TEST_CASE("verdict: a session that could not be set up is delayed") {
  const Outcome connect = not_set_up(Trouble::Kind::lost, Stage::connect, {}, false);
  CHECK(connect.action == Action::delayed);
  CHECK(connect.status == "4.4.1");
  CHECK(connect.source == Source::network);
  CHECK(connect.diagnostic_code == "x-bulkmail; connection refused");
  for (const auto kind : {Trouble::Kind::timeout, Trouble::Kind::lost, Trouble::Kind::malformed}) {
    CHECK(not_set_up(kind, Stage::greeting, {}, true).action == Action::delayed);
    CHECK(not_set_up(kind, Stage::greeting, {}, true).status == "4.4.2");
  }
}

TEST_CASE("verdict: what TLS lacks is delayed, whatever the reply, and said to be about TLS") {
  const auto told = [](Trouble::Kind kind, Stage stage, SharedReply answer) {
    const Outcome outcome = not_set_up(kind, stage, std::move(answer), true);
    CHECK(outcome.action == Action::delayed);
    CHECK(outcome.source == Source::tls);
    return outcome.status + " " + outcome.diagnostic_code;
  };
  CHECK(told(Trouble::Kind::insecure, Stage::starttls, {}) == "4.7.4 x-bulkmail; connection refused");
  CHECK(told(Trouble::Kind::insecure, Stage::starttls, reply("554 5.7.0 No TLS")) ==
        "4.7.4 smtp; 554 5.7.0 No TLS");
  CHECK(told(Trouble::Kind::insecure, Stage::tls, {}) == "4.7.5 x-bulkmail; connection refused");
  CHECK(told(Trouble::Kind::timeout, Stage::tls, {}) == "4.7.5 x-bulkmail; connection refused");
  CHECK(told(Trouble::Kind::malformed, Stage::starttls, {}) == "4.7.0 x-bulkmail; connection refused");
  CHECK(not_set_up(Trouble::Kind::lost, Stage::starttls, {}, true).source == Source::network);
}

TEST_CASE("verdict: an outcome tells how its session was secured") {
  Peer secured = peer;
  secured.tls = spool::TlsInfo{"TLSv1.3", "TLS_AES_256_GCM_SHA384", "require", true};
  const RecipientResult accepted{.kind = Kind::accepted,
                                 .stage = Stage::end_of_data,
                                 .reply = reply("250 Ok"),
                                 .text = {},
                                 .enhanced = {}};
  CHECK(verdict(accepted, secured, true, now).tls == secured.tls);
  CHECK_FALSE(verdict(accepted, peer, true, now).tls);
}

TEST_CASE("verdict: a local cause says so") {
  const Outcome outcome = local_outcome(Action::failed, Source::dns, "5.1.2", "no such domain\x07", now);
  CHECK(outcome.action == Action::failed);
  CHECK(outcome.source == Source::dns);
  CHECK(outcome.status == "5.1.2");
  CHECK(outcome.diagnostic_code == "x-bulkmail; no such domain\\x07");
  CHECK(outcome.last_attempt_date == now);
  CHECK(outcome.remote_mta.empty());
}
