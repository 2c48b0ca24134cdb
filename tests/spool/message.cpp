#include "spool/message.h"

#include <catch2/catch.hpp>

#include <memory>

using namespace bulkmail::spool;

namespace {

Message message_to(std::size_t recipients) {
  EnvelopeBuilder builder;
  builder.sender("list@example.org");
  for (std::size_t n = 0; n < recipients; ++n) builder.recipient("r" + std::to_string(n) + "@example.org");
  MessageFacts facts;
  facts.number = 1;
  facts.id = "a";
  facts.envelope = builder.take();
  return Message(std::move(facts), {});
}

std::shared_ptr<const Outcome> outcome(Action action, bool attempted = true) {
  Outcome outcome;
  outcome.action = action;
  outcome.attempted = attempted;
  return std::make_shared<const Outcome>(outcome);
}

using Indices = std::vector<std::uint32_t>;

} // namespace

TEST_CASE("a message begins with all recipients queued") {
  const Message message = message_to(3);
  CHECK(message.counts() == Counts{3, 0, 0, 0, 0, 3});
  CHECK_FALSE(message.final());
  CHECK(message.outcome(0) == nullptr);
  CHECK(message.attempts(0) == 0);
}

TEST_CASE("outcomes are counted, and a final action stays") {
  Message message = message_to(3);
  CHECK(message.apply(Indices{0, 1}, outcome(Action::delayed)) == 2);
  CHECK(message.apply(Indices{1, 2}, outcome(Action::relayed)) == 2);
  CHECK(message.apply(Indices{0, 1, 2}, outcome(Action::failed)) == 1);
  CHECK(message.counts() == Counts{3, 2, 0, 1, 0, 0});
  CHECK(message.final());
  CHECK(message.action(1) == Action::relayed);
  CHECK(message.attempts(0) == 2);
  CHECK(message.attempts(2) == 1);
  CHECK(message.apply(Indices{0, 3, 4'000'000'000}, outcome(Action::relayed)) == 0);
}

TEST_CASE("what was no attempt counts as none") {
  Message message = message_to(1);
  message.apply(Indices{0}, outcome(Action::failed, false));
  CHECK(message.attempts(0) == 0);
}

TEST_CASE("an outcome that no recipient has any more is forgotten") {
  Message message = message_to(2);
  std::weak_ptr<const Outcome> first;
  {
    const auto delayed = outcome(Action::delayed);
    first = delayed;
    message.apply(Indices{0, 1}, delayed);
  }
  message.apply(Indices{0}, outcome(Action::delayed));
  CHECK_FALSE(first.expired());
  message.apply(Indices{1}, outcome(Action::relayed));
  CHECK(first.expired());
  for (int n = 0; n < 100; ++n) message.apply(Indices{0}, outcome(Action::delayed));
  CHECK(message.snapshot({}).outcomes.size() <= 3);
  CHECK(message.attempts(0) == 102);
}

TEST_CASE("what recovery restores holds whatever was known before") {
  Message message = message_to(2);
  message.apply(Indices{0}, outcome(Action::delayed));
  message.restore(Indices{0, 1}, outcome(Action::delayed), 7);
  CHECK(message.counts() == Counts{2, 0, 0, 0, 2, 0});
  CHECK(message.attempts(0) == 7);
  CHECK(message.attempts(1) == 7);
}

TEST_CASE("each snapshot has the next serial and stays as it was") {
  Message message = message_to(2);
  const Snapshot before = message.snapshot({});
  message.apply(Indices{0}, outcome(Action::relayed));
  const Snapshot after = message.snapshot({});
  CHECK(before.serial == 1);
  CHECK(before.counts.queued == 2);
  CHECK(before.state(0).action == Action::queued);
  CHECK(after.serial == 2);
  CHECK(after.counts.relayed == 1);
  CHECK_FALSE(after.final);
}

TEST_CASE("a snapshot of many recipients stays as it was, whichever of them changes") {
  constexpr std::uint32_t count = 10'000;
  Message message = message_to(count);
  for (std::uint32_t n = 0; n < count; ++n) message.apply(Indices{n}, outcome(Action::delayed));
  const Snapshot before = message.snapshot({});
  for (std::uint32_t n = 0; n < count; n += 3) message.apply(Indices{n}, outcome(Action::relayed));
  for (std::uint32_t n = 0; n < count; ++n) {
    REQUIRE(before.state(n).action == Action::delayed);
    REQUIRE(before.outcomes[before.state(n).outcome - 1].action() == Action::delayed);
    REQUIRE(message.outcome(n)->action() == (n % 3 == 0 ? Action::relayed : Action::delayed));
  }
}

TEST_CASE("a view shows a message without counting as a status of it") {
  Message message = message_to(1);
  CHECK(message.view({}).serial == 0);
  CHECK(message.snapshot({}).serial == 1);
  CHECK(message.view({}).serial == 1);
}

TEST_CASE("a digest reads as sha256 and hex") {
  Digest digest{};
  digest[0] = 0xAB;
  digest[31] = 0x01;
  CHECK(to_string(digest) == "sha256:ab" + std::string(60, '0') + "01");
}
