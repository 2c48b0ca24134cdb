#include "spool/status/results.h"

#include "tests/spool/ledger_rig.h"

#include <catch2/catch.hpp>

#include <cerrno>

using namespace bulkmail;
using namespace bulkmail::spool;
using namespace std::chrono_literals;
using Operation = MemoryDisk::Operation;

namespace {

constexpr std::string_view current = ResultsStream::current;
const Wall noon = Wall(std::chrono::sys_days(std::chrono::year(2026) / 11 / 24)) + 12h;

std::string line(std::uint64_t seq, std::size_t filler = 10) {
  return R"({"seq":)" + std::to_string(seq) + R"(,"x":")" + std::string(filler, 'x') + "\"}\n";
}

struct Results {
  Results() { static_cast<void>(disk.make_directory("results", 02750)); }

  MemoryDisk disk;
  ResultsStream stream{disk};
};

} // namespace

TEST_CASE("a line of results has the event and the recipient's fields") {
  EnvelopeBuilder builder;
  builder.sender("list@example.org");
  builder.recipient("ann@d1.example");
  builder.recipient("bob@d2.example");
  auto facts = std::make_shared<MessageFacts>();
  facts->id = "a";
  facts->envelope = builder.take();
  std::string lines;
  render_results(OutcomeEvents{PackedFacts(facts), std::make_shared<const Outcome>(relayed()), 41, noon, {0, 1}, {1, 3}}, lines);
  const std::string first = lines.substr(0, lines.find('\n') + 1);
  CHECK(first == R"({"seq":41,"event":"relayed","event_time":"2026-11-24T12:00:00.000Z","id":"a",)"
                 R"("sender":"list@example.org","final_recipient":"rfc822; ann@d1.example",)"
                 R"("original_recipient":null,"action":"relayed","status":"2.0.0",)"
                 R"("diagnostic_code":"smtp; 250 2.0.0 Ok","remote_mta":"dns; mx1.d1.example",)"
                 R"("remote_address":"192.0.2.7","remote_port":25,"tls":null,"source":"remote","bounce_class":null,"attempts":1,)"
                 R"("indeterminate":false,"last_attempt_date":null,"next_attempt_date":null,)"
                 R"("will_retry_until":null})"
                 "\n");
  const auto second = nlohmann::json::parse(lines.substr(first.size()));
  CHECK(second["seq"] == 42);
  CHECK(second["attempts"] == 3);
}

TEST_CASE("the stream is rotated by rename, under a name of its own each time") {
  Results results;
  REQUIRE(results.stream.append(line(1)));
  REQUIRE(results.stream.rotate(1'000, noon));
  CHECK(results.disk.contents(current) == line(1));
  REQUIRE(results.stream.rotate(10, noon));
  CHECK_FALSE(results.disk.contents(current));
  REQUIRE(results.stream.append(line(2)));
  REQUIRE(results.stream.rotate(10, noon));
  CHECK(*results.disk.list("results") == std::vector<std::string>{"results-20261124T120000.000Z.ndjson",
                                                                  "results-20261124T120000.000Z_1.ndjson"});
  CHECK(read_results_tail(results.disk, 1)->last_seq == 2); // the newest
  REQUIRE(results.stream.append(line(3)));
  CHECK(results.disk.contents(current) == line(3));
}

TEST_CASE("a file that somebody moved away is begun anew") {
  Results results;
  REQUIRE(results.stream.append(line(1)));
  REQUIRE(results.disk.rename(current, "results/mine"));
  REQUIRE(results.stream.append(line(2)));
  CHECK(results.disk.contents("results/mine") == line(1));
  CHECK(results.disk.contents(current) == line(2));
}

TEST_CASE("half a line left by a full disk is cut before the next try") {
  Results results;
  REQUIRE(results.stream.append(line(1)));
  int failures = 2;
  results.disk.set_fault([&](Operation operation, std::string_view) {
    return operation == Operation::append && failures-- > 0 ? ENOSPC : 0;
  });
  CHECK_FALSE(results.stream.append(line(2)));
  CHECK_FALSE(results.stream.append(line(2)));
  REQUIRE(results.stream.append(line(2)));
  CHECK(results.disk.contents(current) == line(1) + line(2));
}

TEST_CASE("the tail is good up to its last whole line, wherever it is torn") {
  Results results;
  const std::string two = line(1) + line(2), three = two + line(3);
  for (std::size_t length = 0; length <= three.size(); ++length) {
    results.disk.put(current, three.substr(0, length));
    const auto tail = read_results_tail(results.disk, 1);
    REQUIRE(tail);
    const std::uint64_t lines = length / line(1).size();
    CHECK(tail->last_seq == lines);
    CHECK(tail->good_length == lines * line(1).size());
  }
  results.disk.put(current, two + std::string(40, '\0') + line(4));
  CHECK(read_results_tail(results.disk, 1)->last_seq == 2);
  CHECK(read_results_tail(results.disk, 1)->good_length == two.size());
}

TEST_CASE("only as much of a large stream is read as may be torn") {
  Results results;
  std::string lines;
  for (std::uint64_t seq = 1; seq <= 3'000; ++seq) lines += line(seq, 2'000);
  results.disk.put(current, lines);
  CHECK(read_results_tail(results.disk, 2'990)->last_seq == 3'000);
  CHECK(read_results_tail(results.disk, 2'990)->good_length == lines.size());
  CHECK(read_results_tail(results.disk, 1)->last_seq == 3'000);
  // A hole near the beginning: seen when events as old as that may be missing.
  std::fill_n(lines.begin() + 100'000, 600, '\0');
  results.disk.put(current, lines);
  CHECK(read_results_tail(results.disk, 2'990)->last_seq == 3'000);
  CHECK(read_results_tail(results.disk, 1)->last_seq < 60);
}

TEST_CASE("recovery's cut comes before the first line") {
  Results results;
  results.disk.put(current, line(1) + "{\"se");
  results.stream.resume_at(line(1).size());
  REQUIRE(results.stream.append(line(2)));
  CHECK(results.disk.contents(current) == line(1) + line(2));
}
