// What a written conversation can't show: time, sizes, and calls out of place.
#include "transport/client/client.h"

#include <catch2/catch.hpp>

#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

using namespace bulkmail;
using namespace bulkmail::transport;
using namespace std::chrono_literals;

namespace {

constexpr std::string_view greeting = "220 mx.d1.example\r\n";
constexpr std::string_view pipelining = "250-mx.d1.example\r\n250 PIPELINING\r\n";
constexpr std::string_view lock_step = "250 mx.d1.example\r\n";

ClientConfig config() { return {.hostname = "relay.example", .timeouts = {}}; }

Transaction to(std::size_t recipients) {
  Transaction transaction;
  transaction.sender = "list@example.org";
  for (std::size_t i = 0; i < recipients; ++i) {
    transaction.recipients.push_back(
        {.address = "r" + std::to_string(i) + "@d1.example", .notify = {}, .orcpt = {}});
  }
  return transaction;
}

// A client with the host's side in the test's hands and a clock of its own.
struct Bench {
  Monotonic now{};
  Client client;
  std::string sent;
  std::vector<Event> events;

  explicit Bench(ClientConfig c = config()) : client(std::move(c), now) {}

  void pump() {
    while (auto event = client.next_event()) events.push_back(std::move(*event));
    sent = client.take_output();
  }

  void hears(std::string_view bytes) {
    client.receive(bytes, now);
    pump();
  }

  void starts(std::size_t recipients) {
    client.start(to(recipients), now);
    pump();
  }

  void waits(milliseconds time) {
    now += time;
    client.timeout(now);
    pump();
  }

  [[nodiscard]] const Event& last() const { return events.back(); }

  [[nodiscard]] bool closed() const { return !events.empty() && last().kind == Event::Kind::closed; }

  [[nodiscard]] std::vector<RecipientResult> results() const {
    for (const Event& event : events) {
      if (event.kind == Event::Kind::settled) return event.results;
    }
    return {};
  }
};

// Every stage that waits for a reply, how to get there, and how long it may take (RFC 5321 §4.5.3.2).
struct Wait {
  Stage stage;
  milliseconds time;
  std::function<void(Bench&)> reach;
};

std::vector<Wait> waits() {
  return {
      {Stage::greeting, 5min, [](Bench&) {}},
      {Stage::ehlo, 5min, [](Bench& b) { b.hears(greeting); }},
      {Stage::ehlo, 5min,
       [](Bench& b) {
         b.hears(greeting);
         b.hears("500 What?\r\n"); // HELO
       }},
      {Stage::mail, 5min,
       [](Bench& b) {
         b.hears(greeting);
         b.hears(lock_step);
         b.starts(1);
       }},
      {Stage::rcpt, 5min,
       [](Bench& b) {
         b.hears(greeting);
         b.hears(lock_step);
         b.starts(1);
         b.hears("250 Ok\r\n");
       }},
      {Stage::data, 2min,
       [](Bench& b) {
         b.hears(greeting);
         b.hears(lock_step);
         b.starts(1);
         b.hears("250 Ok\r\n");
         b.hears("250 Ok\r\n");
       }},
      {Stage::end_of_data, 10min,
       [](Bench& b) {
         b.hears(greeting);
         b.hears(pipelining);
         b.starts(1);
         b.hears("250 Ok\r\n250 Ok\r\n354 Go on\r\n");
         b.client.send_content({}, true, b.now);
         b.pump();
       }},
      {Stage::rset, 20s,
       [](Bench& b) {
         b.hears(greeting);
         b.hears(lock_step);
         b.starts(1);
         b.hears("450 Not now\r\n");
         b.events.clear();
         b.starts(1);
       }},
  };
}

} // namespace

TEST_CASE("client: each stage has its time, and ends the session when it is over") {
  for (const Wait& wait : waits()) {
    Bench bench;
    wait.reach(bench);
    INFO(to_string(wait.stage));
    CHECK(bench.client.deadline() == bench.now + wait.time);
    bench.waits(wait.time - 1ms);
    REQUIRE_FALSE(bench.closed());
    bench.waits(1ms);
    REQUIRE(bench.closed());
    CHECK(bench.last().trouble.kind == Trouble::Kind::timeout);
    CHECK(bench.last().trouble.stage == wait.stage);
    CHECK_THAT(bench.last().trouble.text, Catch::StartsWith("timed out while waiting for the "));
    for (const RecipientResult& result : bench.results()) {
      CHECK(result.kind == (wait.stage == Stage::end_of_data ? RecipientResult::Kind::indeterminate
                                                             : RecipientResult::Kind::lost));
      CHECK(result.stage == wait.stage);
      CHECK(result.text == bench.last().trouble.text);
    }
    CHECK_FALSE(bench.client.deadline());
  }
}

TEST_CASE("client: a reply of one byte a second does not lengthen its time") {
  for (const Wait& wait : waits()) {
    Bench bench;
    wait.reach(bench);
    INFO(to_string(wait.stage));
    const Monotonic end = bench.now + wait.time;
    bench.hears("250-");
    while (!bench.closed()) {
      REQUIRE(bench.now < end);
      bench.hears("x");
      bench.waits(1s);
    }
    CHECK(bench.now == end);
    CHECK(bench.last().trouble.kind == Trouble::Kind::timeout);
  }
}

TEST_CASE("client: in a flight each reply has the time of its own command") {
  Bench bench;
  bench.hears(greeting);
  bench.hears(pipelining);
  bench.starts(1);
  bench.waits(299s);
  bench.hears("250 Ok\r\n");
  CHECK(bench.client.deadline() == bench.now + 5min);
  bench.waits(299s);
  bench.hears("250 Ok\r\n");
  CHECK(bench.client.deadline() == bench.now + 2min);
  bench.waits(119s);
  CHECK_FALSE(bench.closed());
}

TEST_CASE("client: asking to quit does not lengthen the time of what is unanswered") {
  Bench bench;
  bench.waits(100s);
  bench.client.quit(bench.now);
  CHECK(bench.client.deadline() == Monotonic{} + 5min);
}

TEST_CASE("client: an idle session has no deadline") {
  Bench bench;
  bench.hears(greeting);
  bench.hears(lock_step);
  CHECK(bench.client.idle());
  CHECK_FALSE(bench.client.deadline());
}

TEST_CASE("client: an endless reply or line ends the session at each stage") {
  const std::string line = "250 " + std::string(ReplyParser::max_line, 'x');
  std::string reply;
  while (reply.size() <= ReplyParser::max_reply) reply += "250-keyword\r\n";
  for (const std::string& endless : {line, reply}) {
    for (const Wait& wait : waits()) {
      Bench bench;
      wait.reach(bench);
      INFO(to_string(wait.stage));
      bench.hears(endless);
      REQUIRE(bench.closed());
      CHECK(bench.last().trouble.kind == Trouble::Kind::malformed);
      CHECK_THAT(bench.last().trouble.text, Catch::EndsWith("without end"));
    }
  }
}

TEST_CASE("client: 421 at each stage shuts the session down and decides who is undecided") {
  for (const Wait& wait : waits()) {
    Bench bench;
    wait.reach(bench);
    INFO(to_string(wait.stage));
    bench.hears("421 4.3.2 Closing\r\n");
    REQUIRE(bench.closed());
    CHECK(bench.last().trouble.kind == Trouble::Kind::shutdown);
    CHECK(bench.last().trouble.reply->code == 421);
    for (const RecipientResult& result : bench.results()) {
      CHECK(result.kind == RecipientResult::Kind::refused);
      CHECK(result.reply->code == 421);
    }
  }
}

TEST_CASE("client: a hundred recipients are one flight, one read, one answer shared") {
  Bench bench;
  bench.hears(greeting);
  bench.hears(pipelining);
  bench.starts(100);
  CHECK(std::ranges::count(bench.sent, '\n') == 102);
  std::string replies;
  for (int i = 0; i < 101; ++i) replies += "250 2.1.5 Ok\r\n";
  bench.hears(replies + "354 Go on\r\n");
  REQUIRE(bench.last().kind == Event::Kind::send_content);
  bench.client.send_content({}, true, bench.now);
  CHECK(bench.client.content_sent());
  bench.pump();
  CHECK(bench.sent == ".\r\n");
  bench.hears("250 2.0.0 Ok\r\n");
  CHECK_FALSE(bench.client.content_sent());
  const auto results = bench.results();
  REQUIRE(results.size() == 100);
  for (const RecipientResult& result : results) {
    CHECK(result == results.front());
    CHECK(&*result.reply == &*results.front().reply);
  }
  CHECK(bench.client.transactions() == 1);
  CHECK(bench.client.idle());
}

TEST_CASE("client: the time from the end of data to its reply is told, and only where there was one") {
  Bench bench;
  bench.hears(greeting);
  bench.hears(pipelining);
  bench.starts(1);
  bench.now += 1s;
  bench.hears("250 Ok\r\n250 Ok\r\n354 Go on\r\n");
  bench.now += 2s;
  bench.client.send_content({}, true, bench.now);
  bench.pump();
  bench.now += 3s;
  bench.hears("250 Ok\r\n");
  const auto settled = [&] { return std::prev(bench.events.end(), 2); }; // before `ready`
  REQUIRE(settled()->kind == Event::Kind::settled);
  CHECK(settled()->end_of_data == 3s);
  bench.starts(1);
  bench.hears("250 Ok\r\n550 No\r\n503 No recipients\r\n");
  REQUIRE(settled()->kind == Event::Kind::settled);
  CHECK_FALSE(settled()->end_of_data);
}

TEST_CASE("client: a reply to a dot that was not taken for sending is not credited") {
  Bench bench;
  bench.hears(greeting);
  bench.hears(pipelining);
  bench.starts(1);
  bench.hears("250 Ok\r\n250 Ok\r\n354 Go on\r\n");
  bench.client.send_content({}, true, bench.now);
  bench.hears("250 2.0.0 Ok\r\n"); // the output was not taken in between
  REQUIRE(bench.closed());
  CHECK(bench.last().trouble.kind == Trouble::Kind::malformed);
  CHECK(bench.results().front().kind != RecipientResult::Kind::accepted);
}

TEST_CASE("client: after its end a session takes nothing and answers everybody") {
  Bench bench;
  bench.client.lost("reset", bench.now);
  bench.pump();
  REQUIRE(bench.closed());
  const std::size_t count = bench.events.size();
  bench.client.lost("reset", bench.now);
  bench.client.receive("220 hi\r\n", bench.now);
  bench.client.timeout(bench.now + 1h);
  bench.client.content_progress(bench.now);
  bench.client.send_content({}, true, bench.now);
  bench.client.abandon_content("x", bench.now);
  bench.client.quit(bench.now);
  bench.pump();
  CHECK(bench.events.size() == count);
  CHECK(bench.sent.empty());
  bench.starts(2);
  const auto results = bench.results();
  REQUIRE(results.size() == 2);
  CHECK(results[1].kind == RecipientResult::Kind::lost);
  CHECK(bench.sent.empty());
}

TEST_CASE("client: nothing follows a QUIT") {
  Bench bench;
  bench.hears(greeting);
  bench.hears(pipelining);
  bench.client.quit(bench.now);
  bench.pump();
  bench.starts(1);
  CHECK(bench.sent.empty());
  CHECK(bench.results().front().kind == RecipientResult::Kind::lost);
  bench.hears("221 Bye\r\n");
  CHECK(bench.closed());
}

TEST_CASE("client: a transaction without recipients is answered at once") {
  Bench bench;
  bench.hears(greeting);
  bench.hears(lock_step);
  bench.starts(0);
  CHECK(bench.sent.empty());
  CHECK(bench.last().kind == Event::Kind::ready);
}

TEST_CASE("client: text of foreign origin is printable") {
  Bench bench;
  bench.client.lost("reset\x1b[2J", bench.now);
  bench.pump();
  CHECK(bench.last().trouble.text == "connection lost while waiting for the greeting: reset\\x1B[2J");
}

TEST_CASE("client: what EHLO offers is read whatever its case and order") {
  const Offer offer =
      parse_offer({.code = 250,
                   .enhanced = {},
                   .lines = {"SIZE 7", "size 35882577", "8BitMime", "PIPELINING", "SMTPUTF8",
                             "EnhancedStatusCodes", "DSN", "STARTTLS", "CHUNKING", "AUTH PLAIN", ""}});
  CHECK(offer.esmtp);
  CHECK(offer.size == 35882577);
  CHECK(offer.eight_bit_mime);
  CHECK(offer.pipelining);
  CHECK(offer.smtp_utf8);
  CHECK(offer.enhanced_status_codes);
  CHECK(offer.dsn);
  CHECK(offer.starttls);
  CHECK(offer.chunking);
  const auto size = [](std::string line) {
    return parse_offer({.code = 250, .enhanced = {}, .lines = {"mx", std::move(line)}}).size;
  };
  CHECK_FALSE(size("SIZES 10").has_value());
  CHECK_FALSE(size("PIPELINING").has_value());
  CHECK(size("SIZE") == 0U);
  CHECK(size("SIZE 10 ") == 10U);
  CHECK(size("SIZE ten") == 0U);
  CHECK(size("SIZE -1") == 0U);
  CHECK(size("SIZE 99999999999999999999999") == 0U);
}
