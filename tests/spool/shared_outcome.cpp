#include "spool/shared_outcome.h"

#include "spool/message.h"

#include <catch2/catch.hpp>
#include <malloc.h>

#include <string>
#include <vector>

using namespace bulkmail;
using namespace bulkmail::spool;

namespace {

Outcome put_off(std::string reply, std::int64_t last, std::int64_t next) {
  Outcome outcome;
  outcome.action = Action::delayed;
  outcome.source = Source::remote;
  outcome.status = "4.7.1";
  outcome.diagnostic_code = std::move(reply);
  outcome.remote_mta = "mx1.d1.example";
  outcome.remote_address = "192.0.2.7";
  outcome.remote_port = 25;
  outcome.tls = TlsInfo{"TLSv1.3", "TLS_AES_256_GCM_SHA384", "opportunistic", true};
  outcome.last_attempt_date = Wall(milliseconds(last));
  outcome.next_attempt_date = Wall(milliseconds(next));
  outcome.will_retry_until = Wall(milliseconds(432'000'000));
  return outcome;
}

Message message_to_one(std::uint64_t number) {
  EnvelopeBuilder builder;
  builder.sender("list@example.org");
  builder.recipient("ann@d1.example");
  MessageFacts facts;
  facts.number = number;
  facts.id = "news-" + std::to_string(number);
  facts.envelope = builder.take();
  return Message(std::move(facts), {});
}

} // namespace

TEST_CASE("a shared outcome gives back all of what was kept") {
  OutcomeShelf shelf;
  const Outcome whole = put_off("smtp; 451 4.7.1 later", 1'000, 301'000);
  CHECK(shelf.share(whole).whole() == whole);
  CHECK(SharedOutcome(std::make_shared<const Outcome>(whole)).whole() == whole);
  CHECK(shelf.share(Outcome()).whole() == Outcome());
  CHECK_FALSE(SharedOutcome());
}

TEST_CASE("outcomes that differ in their dates alone share what they say") {
  OutcomeShelf shelf;
  const auto first = shelf.share(put_off("smtp; 451 4.7.1 later", 1'000, 301'000));
  const auto second = shelf.share(put_off("smtp; 451 4.7.1 later", 2'000, 322'000));
  CHECK(&first.said() == &second.said());
  CHECK(first.next_attempt_date() == Wall(milliseconds(301'000)));
  CHECK(second.next_attempt_date() == Wall(milliseconds(322'000)));
  Outcome other = put_off("smtp; 451 4.7.1 later", 1'000, 301'000);
  other.tls->verified = false;
  CHECK(shelf.share(other).whole() == other);
}

TEST_CASE("a shelf keeps no more than it has places for") {
  OutcomeShelf shelf;
  for (int n = 0; n < 10'000; ++n) {
    const Outcome outcome = put_off("smtp; 451 4.7.1 number " + std::to_string(n), 1, 2);
    CHECK(shelf.share(outcome).whole() == outcome);
  }
  const std::size_t before = ::mallinfo2().uordblks;
  for (int n = 0; n < 100'000; ++n) {
    static_cast<void>(shelf.share(put_off("smtp; 451 4.7.1 again " + std::to_string(n), 1, 2)));
  }
  CHECK(::mallinfo2().uordblks < before + 200'000);
}

TEST_CASE("a message to one that was put off costs little more than before") {
  constexpr std::size_t count = 1'000;
  OutcomeShelf shelf;
  std::vector<Message> messages;
  for (std::size_t n = 0; n < count; ++n) messages.push_back(message_to_one(n + 1));
  static_cast<void>(shelf.share(put_off("smtp; 451 4.7.1 later", 1, 2)));
  const std::size_t before = ::mallinfo2().uordblks;
  const std::vector<std::uint32_t> first{0};
  for (Message& message : messages) {
    const auto at = static_cast<std::int64_t>(message.number());
    message.apply(first, shelf.share(put_off("smtp; 451 4.7.1 later", at, at + 300'000)));
  }
  CHECK(::mallinfo2().uordblks - before <= 64 * count);
  CHECK(sizeof(Message) <= 40);
  for (Message& message : messages) {
    const auto at = static_cast<std::int64_t>(message.number());
    REQUIRE(message.next_attempt_date() == Wall(milliseconds(at + 300'000)));
    const Snapshot snapshot = message.snapshot({});
    REQUIRE(snapshot.counts == Counts{1, 0, 0, 0, 1, 0});
    REQUIRE(snapshot.state(0).attempts == 1);
    REQUIRE(snapshot.outcomes[snapshot.state(0).outcome - 1].whole().last_attempt_date ==
            Wall(milliseconds(at)));
  }
}
