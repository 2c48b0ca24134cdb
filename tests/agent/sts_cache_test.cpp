#include "agent/run/sts_cache.h"

#include <catch2/catch.hpp>

using namespace bulkmail;
using namespace bulkmail::agent;
using namespace std::chrono_literals;
using Mode = StsPolicy::Mode;
using Kind = StsCache::Action::Kind;

namespace {

const std::string d = "d.example";
const std::vector<std::string> first{"v=STSv1; id=1"}, second{"v=STSv1; id=2"}, no_records;

std::string policy_file(std::string_view mode = "enforce", std::string_view max_age = "1000000") {
  return "version: STSv1\nmode: " + std::string(mode) +
         "\nmx: mx.d.example\nmax_age: " + std::string(max_age) + '\n';
}

struct Fixture {
  StsCache cache;
  Now now{Monotonic{} + 1h, Wall{} + 20'000 * 24h};

  void pass(std::chrono::milliseconds time) {
    now.mono += time;
    now.wall += time;
  }

  // What is to be done: "ask", "fetch", "" for nothing.
  std::string action() {
    const auto next = cache.next_action();
    if (!next) return "";
    CHECK(next->domain == d);
    return next->kind == Kind::ask ? "ask" : "fetch";
  }

  // What is answered: a mode, "no policy", "" for nothing yet.
  std::string answer() {
    const auto next = cache.next_answer();
    if (!next) return "";
    CHECK(next->first == d);
    problem = next->second.problem;
    return next->second.policy ? std::string(to_string(next->second.policy->mode)) : "no policy";
  }

  void told(const std::vector<std::string>& records, std::chrono::milliseconds ttl = 60s) {
    cache.told(d, records, now.mono + ttl, now);
  }

  // The whole way of a policy into the cache.
  void learn(const std::string& file = policy_file()) {
    cache.want(d, now);
    REQUIRE(action() == "ask");
    told(first);
    REQUIRE(action() == "fetch");
    cache.fetched(d, file, now);
    REQUIRE(answer() != "");
  }

  std::string problem;
};

} // namespace

TEST_CASE("a domain without an MTA-STS record is answered so, and nothing of it is kept") {
  Fixture f;
  f.cache.want(d, f.now);
  CHECK(f.answer() == "");
  CHECK(f.action() == "ask");
  f.told(no_records);
  CHECK(f.answer() == "no policy");
  CHECK(f.action() == "");
  CHECK(f.cache.size() == 0);
}

TEST_CASE("a policy is fetched once, and used without asking for as long as the record lives") {
  Fixture f;
  f.cache.want(d, f.now);
  f.cache.want(d, f.now);
  CHECK(f.action() == "ask");
  f.told(first);
  CHECK(f.answer() == ""); // mail of this domain waits for it
  CHECK(f.action() == "fetch");
  CHECK(f.action() == "");
  f.cache.fetched(d, policy_file(), f.now);
  CHECK(f.answer() == "enforce");
  CHECK(f.answer() == "");
  f.cache.want(d, f.now);
  CHECK(f.answer() == "enforce");
  CHECK(f.action() == "");
  const auto learned = f.cache.next_learned();
  REQUIRE(learned);
  CHECK(learned->second == StsKept{"1", *resolver::parse_sts_policy(policy_file()), f.now.wall + 1'000'000s});
}

TEST_CASE("a policy with the same id isn't fetched again, with another it is") {
  Fixture f;
  f.learn();
  f.pass(61s);
  f.cache.want(d, f.now);
  CHECK(f.action() == "ask");
  f.told(first);
  CHECK(f.answer() == "enforce");
  CHECK(f.action() == "");
  f.pass(61s);
  f.cache.want(d, f.now);
  CHECK(f.action() == "ask");
  f.told(second);
  CHECK(f.action() == "fetch");
  f.cache.fetched(d, policy_file("none"), f.now);
  CHECK(f.answer() == "no policy");
}

TEST_CASE("what is cached holds when the DNS or the web server fail, or say nothing any more") {
  Fixture f;
  f.learn();
  f.pass(61s);
  f.cache.want(d, f.now);
  CHECK(f.action() == "ask");
  f.told(no_records);
  CHECK(f.answer() == "enforce");
  f.pass(61s);
  f.cache.want(d, f.now);
  CHECK(f.action() == "ask");
  f.told(second);
  CHECK(f.action() == "fetch");
  f.cache.fetched(d,
                  GENERATE(as<std::expected<std::string, std::string>>(), std::string("<html>"),
                           std::unexpected(std::string("timed out"))),
                  f.now);
  CHECK(f.answer() == "enforce");
  CHECK_FALSE(f.problem.empty());
}

TEST_CASE(
    "a policy that can't be fetched and never was lets mail go, and is tried again after five minutes") {
  Fixture f;
  f.cache.want(d, f.now);
  CHECK(f.action() == "ask");
  f.told(first, 10s);
  CHECK(f.action() == "fetch");
  f.cache.fetched(d, std::unexpected("timed out"), f.now);
  CHECK(f.answer() == "no policy");
  CHECK(f.problem == "its MTA-STS policy can't be fetched: timed out");
  f.pass(11s);
  f.cache.want(d, f.now);
  CHECK(f.action() == "ask");
  f.told(first, 10s);
  CHECK(f.action() == "");
  CHECK(f.answer() == "no policy");
  f.pass(5min);
  f.cache.timeout(f.now);
  f.cache.want(d, f.now);
  CHECK(f.action() == "ask");
  f.told(first);
  CHECK(f.action() == "fetch");
}

TEST_CASE("a new id is fetched at once, though the one before could not be") {
  Fixture f;
  f.cache.want(d, f.now);
  CHECK(f.action() == "ask");
  f.told(first, 10s);
  CHECK(f.action() == "fetch");
  f.cache.fetched(d, std::unexpected("404"), f.now);
  f.pass(11s);
  f.cache.want(d, f.now);
  CHECK(f.action() == "ask");
  f.told(second);
  CHECK(f.action() == "fetch");
}

TEST_CASE("a policy in use is fetched anew before it ends, and nobody waits for that") {
  Fixture f;
  f.learn();
  f.cache.want(d, f.now);
  CHECK(f.answer() == "enforce");
  f.pass(1'000'000s - StsCache::refresh_ahead);
  REQUIRE(f.cache.deadline());
  CHECK(*f.cache.deadline() <= f.now.mono);
  f.cache.timeout(f.now);
  CHECK(f.action() == "fetch");
  CHECK(f.answer() == "");
  f.cache.fetched(d, policy_file("testing"), f.now);
  CHECK(f.answer() == "");
  CHECK(f.cache.state(d, f.now.mono + 999'000s).policy->mode == Mode::testing);
}

TEST_CASE("a policy that nobody needs ends by itself") {
  Fixture f;
  f.cache.restore(d, {"1", *resolver::parse_sts_policy(policy_file()), f.now.wall + 1000s}, f.now);
  CHECK(f.cache.state(d, f.now.mono).policy);
  f.pass(1000s);
  CHECK_FALSE(f.cache.state(d, f.now.mono).policy);
  f.cache.timeout(f.now);
  CHECK(f.action() == "");
  CHECK(f.cache.size() == 0);
  CHECK_FALSE(f.cache.deadline());
}

TEST_CASE("a restart forgets no policy, and a clock that jumps makes none live longer") {
  Fixture f;
  const StsKept kept{"1", *resolver::parse_sts_policy(policy_file("enforce", "3600")),
                     f.now.wall + 24h * 365};
  f.cache.restore(d, kept, f.now);
  f.cache.want(d, f.now);
  CHECK(f.action() == "ask");
  f.told(no_records);
  CHECK(f.answer() == "enforce");
  f.pass(3600s);
  CHECK_FALSE(f.cache.state(d, f.now.mono).policy);
  StsCache ended;
  ended.restore(d, {"1", kept.policy, f.now.wall}, f.now);
  CHECK(ended.size() == 0);
}

TEST_CASE("policies are written and read again; lines that are none are left out") {
  const StsKeptByDomain policies{
      {"a.example", {"7", *resolver::parse_sts_policy(policy_file()), Wall(123ms)}},
      {"b.example", {"x", {Mode::none, {}, 0s}, Wall(5s)}},
      {"c.example", {"y", {Mode::testing, {"*.c.example", "mx.c.example"}, 60s}, Wall(6s)}}};
  const std::string text = write_sts(policies);
  CHECK(read_sts(text) == policies);
  CHECK(read_sts("x\n\na b c d e f\n" + text +
                 "d.example 1 1 enforce 5 \nd.example 1 1 strict 5 mx\n"
                 "d.example 1 1 enforce -5 mx\nd.example 1 x enforce 5 mx\n") == policies);
  for (std::size_t cut = 0; cut < text.size(); ++cut) CHECK(read_sts(text.substr(0, cut)).size() <= 3);
}

TEST_CASE("late answers change nothing") {
  Fixture f;
  f.told(first);
  f.cache.fetched(d, policy_file(), f.now);
  CHECK(f.answer() == "");
  CHECK(f.cache.size() == 0);
}
