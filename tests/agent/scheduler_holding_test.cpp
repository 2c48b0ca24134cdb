// What the queue says of why a message does not go now.
#include "tests/agent/scheduler_fixture.h"

using namespace bulkmail;
using namespace bulkmail::agent;
using namespace bulkmail::agent::test;
using Cause = Scheduler::Holding::Cause;

namespace {

Scheduler::Holding the_line(const Fixture& f, std::uint64_t message) {
  auto lines = f.scheduler.holding(message);
  REQUIRE(lines.size() == 1);
  return std::move(lines.front());
}

SchedulerConfig with_rule(std::vector<std::string> match, void (*say)(SiteRule&)) {
  SiteRule rule;
  rule.match = std::move(match);
  say(rule);
  return {.sites = SiteRules(std::vector{rule})};
}

} // namespace

TEST_CASE("A message on its way says what it lacks at each step") {
  Fixture f({.connections_per_site = 1});
  f.add(users(250, "d.mx"));
  CHECK(the_line(f, 1).cause == Cause::route);
  CHECK(the_line(f, 1).where == "d.mx");
  CHECK(the_line(f, 1).recipients == 250);
  f.route_all();
  CHECK(the_line(f, 1).cause == Cause::turn);
  const Work work = f.the_work();
  auto lines = f.scheduler.holding(1);
  REQUIRE(lines.size() == 2);
  CHECK(lines[0].cause == Cause::under_way);
  CHECK(lines[0].recipients == 100);
  CHECK(lines[1].cause == Cause::window);
  CHECK(lines[1].where == "10 mx");
  CHECK(lines[1].recipients == 150);
  f.scheduler.session_established(work.session, f.now);
  f.settle(work, delayed(f.now + 7min), Pace{});
  lines = f.scheduler.holding(1);
  REQUIRE(lines.size() == 2);
  CHECK(lines[0].cause == Cause::delayed);
  CHECK(lines[0].until == f.now + 7min);
  f.scheduler.session_free(work.session, f.now);
  CHECK(f.scheduler.holding(1)[1].cause == Cause::turn);
  f.scheduler.hold(one_message(1), f.now);
  CHECK(f.all_work().empty());
  CHECK(f.scheduler.holding(1)[1].cause == Cause::held);
  CHECK(f.scheduler.holding(2).empty());
}

TEST_CASE("A message whose site is down says until when") {
  Fixture f;
  f.add({"a@d.mx"});
  f.route_all();
  const Work work = f.the_work();
  const Monotonic due = f.scheduler.site_due(work.session, f.now);
  f.refuse(work);
  CHECK(the_line(f, 1).cause == Cause::site_down);
  CHECK(the_line(f, 1).until == due);
}

TEST_CASE("A message that waits for a rate says whose it is, and until when") {
  const auto one_an_hour = [](SiteRule& rule) { rule.rate = Rate{1, 1h}; };
  const auto from_sender = [](SiteRule& rule) {
    rule.rate = Rate{1, 1h};
    rule.sender = {"example.org"};
  };
  const auto check = [](SchedulerConfig config, Cause cause) {
    Fixture f(std::move(config));
    f.add({"a@d.mx"});
    f.add({"b@d.mx"});
    f.route_all(1000h);
    f.complete(f.the_work());
    CHECK(f.all_work().empty());
    CHECK(the_line(f, 2).cause == cause);
    CHECK(the_line(f, 2).until == f.now + 1h);
  };
  check(with_rule({"mx"}, one_an_hour), Cause::site_rate);
  check(with_rule({"d.mx"}, one_an_hour), Cause::domain_rate);
  check(with_rule({"mx"}, from_sender), Cause::sender_rate);
}

TEST_CASE("A message that waits for connections says whose they are") {
  Fixture f({.connections = 1});
  f.add({"a@d.mx"});
  f.add({"a@d.other"});
  f.route_all();
  CHECK(f.the_work().message == 1);
  CHECK(the_line(f, 2).cause == Cause::places);

  Fixture g(with_rule({"d.mx"}, [](SiteRule& rule) { rule.connections = 1; }));
  g.add(users(250, "d.mx"));
  g.route_all();
  CHECK(g.all_work().size() == 1);
  CHECK(g.scheduler.holding(1).back().cause == Cause::domain_connections);
}

TEST_CASE("A message to very many domains is looked at in part, and says so") {
  Fixture f;
  std::vector<std::string> addresses;
  for (int i = 0; i < 5000; ++i) addresses.push_back(fmt::format("a@d{}.mx{}", i, i));
  f.add(addresses);
  const auto lines = f.scheduler.holding(1);
  CHECK(lines.size() <= 51);
  std::uint64_t recipients = 0;
  for (const auto& line : lines) recipients += line.recipients;
  CHECK(recipients == 5000);
  CHECK(lines.back().cause == Cause::more);
}
