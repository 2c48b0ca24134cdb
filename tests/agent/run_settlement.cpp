#include "agent/run/settlement.h"
#include "spool/message.h"

#include <catch2/catch.hpp>

using namespace bulkmail;
using namespace bulkmail::agent;
using namespace std::chrono_literals;
using transport::RecipientResult;

namespace {

class NoDice : public Dice {
 public:
  std::uint64_t next() override { return 0; }
};

const Now now{Monotonic(1h), Wall(20'000 * 24h)};
const transport::Peer peer{"mx.d1.example", "192.0.2.7", 25};

spool::Message message_to(std::size_t recipients) {
  spool::EnvelopeBuilder builder;
  builder.sender("list@example.org");
  for (std::size_t i = 0; i < recipients; ++i) builder.recipient("u" + std::to_string(i) + "@d1.example");
  spool::MessageFacts facts;
  facts.number = 1;
  facts.id = "m";
  facts.envelope = builder.take();
  return spool::Message(std::move(facts), now.wall + 120h);
}

Work work_for(spool::Message& message) {
  Work work;
  work.message = message.number();
  work.facts = message.facts();
  work.expires = message.expires();
  for (std::uint32_t i = 0; i < message.recipients(); ++i) {
    work.recipients.push_back(i);
    work.attempts.push_back(message.attempts(i));
  }
  return work;
}

RecipientResult answered(RecipientResult::Kind kind, int code, const std::string& text) {
  RecipientResult result;
  result.kind = kind;
  result.stage =
      kind == RecipientResult::Kind::accepted ? transport::Stage::end_of_data : transport::Stage::rcpt;
  result.reply = transport::Reply{code, {}, {text}};
  return result;
}

} // namespace

TEST_CASE("Recipients answered alike share one outcome, others get their own") {
  NoDice dice;
  const Settler settler(RetrySchedule({5min, 10min}), true, dice);
  auto message = message_to(5);
  const auto work = work_for(message);
  const auto taken = answered(RecipientResult::Kind::accepted, 250, "taken");
  const std::vector results{taken, answered(RecipientResult::Kind::refused, 550, "no such user"), taken,
                            answered(RecipientResult::Kind::refused, 451, "later"), taken};
  const auto settlement = settler.settle(work, results, peer, now);
  REQUIRE(settlement.groups.size() == 3);
  CHECK(settlement.groups[0].recipients == std::vector<std::uint32_t>{0, 2, 4});
  CHECK(settlement.groups[0].outcome.action == spool::Action::relayed);
  CHECK(settlement.groups[1].outcome.action == spool::Action::failed);
  CHECK(settlement.groups[2].outcome.action == spool::Action::delayed);
  CHECK(settlement.dispositions[3].kind == Disposition::Kind::delayed);
  CHECK(settlement.dispositions[3].due == now.mono + 5min);
  CHECK(settlement.groups[2].outcome.next_attempt_date == now.wall + 5min);
  CHECK(settlement.groups[2].outcome.will_retry_until == message.expires());
}

TEST_CASE("Too many recipients: the rest goes at once and has no outcome") {
  NoDice dice;
  const Settler settler(RetrySchedule({5min}), true, dice);
  auto message = message_to(2);
  RecipientResult again;
  again.kind = RecipientResult::Kind::again;
  const std::vector results{answered(RecipientResult::Kind::accepted, 250, "taken"), again};
  const auto settlement = settler.settle(work_for(message), results, peer, now);
  CHECK(settlement.groups.size() == 1);
  CHECK(settlement.dispositions[1].kind == Disposition::Kind::again);
}

TEST_CASE("A recipient tried before waits longer than one tried first") {
  NoDice dice;
  const Settler settler(RetrySchedule({5min, 10min}), true, dice);
  auto message = message_to(2);
  auto before = std::make_shared<spool::Outcome>();
  before->action = spool::Action::delayed;
  const std::uint32_t first = 0;
  message.apply({&first, 1}, spool::SharedOutcome(before));
  const auto later = answered(RecipientResult::Kind::refused, 451, "later");
  const auto settlement = settler.settle(work_for(message), std::vector{later, later}, peer, now);
  CHECK(settlement.dispositions[0].due == now.mono + 10min);
  CHECK(settlement.dispositions[1].due == now.mono + 5min);
}

TEST_CASE("The next date told is never after the message's expiry") {
  NoDice dice;
  const Settler settler(RetrySchedule({5min}), true, dice);
  auto message = message_to(1);
  message.set_expires(now.wall + 1min);
  const auto settlement = settler.settle(
      work_for(message), std::vector{answered(RecipientResult::Kind::refused, 451, "later")}, peer, now);
  CHECK(settlement.groups[0].outcome.next_attempt_date == now.wall + 1min);
}

TEST_CASE("A greylisting host is tried when it asks to be, never before the schedule says") {
  NoDice dice;
  const Settler settler(RetrySchedule({5min, 1h}), true, dice);
  auto message = message_to(1);
  const auto due = [&](const std::string& text) {
    const std::vector results{answered(RecipientResult::Kind::refused, 451, text)};
    return settler.settle(work_for(message), results, peer, now).dispositions[0].due - now.mono;
  };
  CHECK(due("greylisted, try again in 10 minutes") == 10min);
  CHECK(due("greylisted, try again in 60 seconds") == 5min);
  CHECK(due("greylisted") == 5min);
  CHECK(due("greylisted, try again in 20 hours") == settler.schedule().longest());
  CHECK(due("mailbox full, try again in 10 minutes") == 5min);
}

TEST_CASE("What was greylisted together does not come back in one instant") {
  class TwoMinutes : public Dice {
   public:
    std::uint64_t next() override { return 120'000; }
  } dice;

  const Settler settler(RetrySchedule({5min, 1h}), true, dice);
  auto message = message_to(1);
  const std::vector results{answered(RecipientResult::Kind::refused, 451, "greylisted for 20 minutes")};
  CHECK(settler.settle(work_for(message), results, peer, now).dispositions[0].due == now.mono + 22min);
}

TEST_CASE("A refusal of mixed domains judges nobody: those it is about go into other transactions at once") {
  NoDice dice;
  const Settler settler(RetrySchedule({5min}), true, dice);
  auto message = message_to(4);
  auto work = work_for(message);
  const std::vector results{answered(RecipientResult::Kind::accepted, 250, "ok"),
                            answered(RecipientResult::Kind::refused, 550, "5.7.1 one domain per transaction"),
                            answered(RecipientResult::Kind::refused, 451,
                                     "multiple destination domains per transaction is unsupported"),
                            answered(RecipientResult::Kind::refused, 550, "no such user")};
  work.mixed = true;
  const auto mixed = settler.settle(work, results, peer, now);
  CHECK(mixed.mixing_refused);
  using Kind = Disposition::Kind;
  REQUIRE(mixed.dispositions.size() == 4);
  CHECK(mixed.dispositions[0].kind == Kind::done);
  CHECK(mixed.dispositions[1].kind == Kind::again);
  CHECK(mixed.dispositions[2].kind == Kind::again);
  CHECK(mixed.dispositions[3].kind == Kind::done);
  CHECK(mixed.groups.size() == 2);

  // With one domain the same words are an answer like any other.
  work.mixed = false;
  const auto apart = settler.settle(work, results, peer, now);
  CHECK_FALSE(apart.mixing_refused);
  CHECK(apart.dispositions[1].kind == Kind::done);
  CHECK(apart.dispositions[2].kind == Kind::delayed);
}
