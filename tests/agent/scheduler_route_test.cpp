// Domains and their routes: asked once, unroutable, expired in the middle.
#include "tests/agent/scheduler_fixture.h"

using namespace bulkmail;
using namespace bulkmail::agent;
using namespace bulkmail::agent::test;
using Kind = Work::Kind;

namespace {

resolver::RouteFailure no_such_domain(Monotonic until) {
  resolver::RouteFailure failure;
  failure.permanent = true;
  failure.status = "5.1.2";
  failure.text = "no such domain";
  failure.until = until;
  return failure;
}

} // namespace

TEST_CASE("A domain is asked for once, however many messages need it") {
  Fixture f;
  for (int i = 0; i < 100; ++i) f.add({fmt::format("u{}@d.mx", i), "x@e.mx"});
  CHECK(f.scheduler.next_wanted() == "d.mx");
  f.add({"late@d.mx"});
  CHECK(f.scheduler.next_wanted() == "e.mx");
  f.add({"later@d.mx"});
  CHECK_FALSE(f.scheduler.next_wanted());
  CHECK(f.scheduler.load().resolving == 202);
}

TEST_CASE("All that waits for a domain without a route is answered so, in chunks") {
  Fixture f;
  auto& big = f.add(users(2500, "dead.example"));
  f.add({"a@dead.example", "b@dead.example"});
  const auto domain = f.scheduler.next_wanted();
  f.scheduler.route_found(*domain, std::unexpected(no_such_domain(f.now)), f.now);
  const auto all = f.all_work();
  std::size_t answered = 0;
  for (const auto& work : all) {
    CHECK(work.kind == Kind::unroutable);
    CHECK(work.recipients.size() <= 1000);
    REQUIRE(work.failure);
    CHECK(work.failure->text == "no such domain");
    answered += work.recipients.size();
    f.settle(work, done);
  }
  CHECK(answered == 2502);
  CHECK(f.scheduler.finished(big.number()));
  CHECK(f.known() == 0);
  f.add({"c@dead.example"});
  CHECK(f.scheduler.next_wanted() == "dead.example"); // it may live now
}

TEST_CASE("A domain that has no canonical form is answered without a question") {
  Fixture f;
  const std::string label(64, 'a');
  f.add({"a@" + label + ".example", "b@d.mx"});
  CHECK(f.route_all() == std::vector<std::string>{"d.mx"});
  const auto all = f.all_work();
  REQUIRE(all.size() == 2);
  CHECK(all[0].kind == Kind::unroutable);
  CHECK(all[0].failure->permanent);
  CHECK(all[0].failure->status == "5.1.2");
  CHECK_FALSE(all[0].failure->text.empty());
  CHECK(all[1].kind == Kind::open);
}

TEST_CASE("A delayed answer for a domain makes it asked for again when it is due") {
  Fixture f;
  auto& message = f.add({"a@d.mx"});
  REQUIRE(f.scheduler.next_wanted());
  f.scheduler.route_found("d.mx", std::unexpected(resolver::RouteFailure{}), f.now);
  f.settle(f.the_work(), delayed(f.now + 5min));
  CHECK_FALSE(f.scheduler.next_wanted());
  CHECK(f.scheduler.wake_at(f.now) == f.now + 5min);
  CHECK(f.scheduler.quiet());
  f.now += 5min;
  CHECK_FALSE(f.work());
  CHECK_FALSE(f.scheduler.quiet());
  CHECK(f.scheduler.wake_at(f.now) == f.now); // there is a domain to be asked for
  f.route_all();
  f.complete(f.the_work());
  CHECK(f.scheduler.finished(message.number()));
}

TEST_CASE("A route that expires while mail waits is not used any more") {
  Fixture f({.connections_per_site = 1});
  auto& message = f.add(users(300, "d.old"));
  f.route_all(1min);
  const Work work = f.the_work();
  CHECK(work.way->site == "10 old");
  f.scheduler.session_established(work.session, f.now);
  f.now += 2min;
  f.settle(work, done);
  f.scheduler.session_free(work.session, f.now);
  CHECK(count_of(f.all_work(), Kind::reuse) == 0);
  CHECK(f.scheduler.load().resolving == 200);
  CHECK(f.scheduler.load().ready == 0);
  REQUIRE(f.scheduler.next_wanted() == "d.old");
  f.scheduler.route_found("d.old", make_route("d.old", "new", f.now + 1h), f.now);
  auto all = f.all_work();
  const auto moved = std::ranges::find(all, Kind::open, &Work::kind);
  REQUIRE(moved != all.end());
  CHECK(moved->way->site == "10 new");
  CHECK_FALSE(f.scheduler.finished(message.number()));
}

TEST_CASE("A domain that leaves its lane leaves the others their turns") {
  Fixture f({.connections_per_site = 1});
  f.add(users(200, "a.mx"));
  f.add(users(200, "b.mx"));
  REQUIRE(f.scheduler.next_wanted());
  REQUIRE(f.scheduler.next_wanted());
  f.scheduler.route_found("a.mx", make_route("a.mx", "mx", f.now + 1min), f.now);
  f.scheduler.route_found("b.mx", make_route("b.mx", "mx", f.now + 1h), f.now);
  Work work = f.the_work();
  f.scheduler.session_established(work.session, f.now);
  f.now += 2min;
  int of_b = 0;
  for (int i = 0; i < 2; ++i) {
    f.complete(work);
    work = f.the_work();
    of_b += work.way->domain == "b.mx";
  }
  CHECK(of_b == 2);
}

TEST_CASE("A route with a TTL of 0 is good for one turn, and the next one asks again") {
  Fixture f({.connections_per_site = 1});
  auto& message = f.add(users(1000, "d.mx"));
  int questions = 0, turns = 0;
  for (int step = 0; step < 100 && !f.scheduler.finished(message.number()); ++step) {
    questions += static_cast<int>(f.route_all(0ms).size());
    for (const auto& work : f.all_work()) {
      ++turns;
      f.complete(work);
    }
  }
  CHECK(f.scheduler.finished(message.number()));
  CHECK(turns == 10);
  CHECK(questions == 10);
}

TEST_CASE("A domain whose TTL is 0 keeps its turn while it is asked for, in a lane that never rests") {
  Fixture f({.connections_per_site = 1});
  f.add(users(100'000, "busy.mx"));
  f.route_all();
  Work work = f.the_work();
  f.scheduler.session_established(work.session, f.now);
  auto& rare = f.add({"a@rare.mx"});
  int turns = 0;
  while (work.message != rare.number()) {
    f.now += 31s; // longer than a fresh answer may wait for its turn
    f.complete(work);
    auto all = f.all_work();
    while (all.empty() || f.scheduler.wake_at(f.now) == f.now) {
      f.route_all(0ms);
      for (auto& more : f.all_work()) all.push_back(std::move(more));
    }
    REQUIRE(all.size() == 1);
    work = all.front();
    REQUIRE(++turns < 10);
  }
}

TEST_CASE("A stale answer in the lane is not used however fresh it was when it came") {
  Fixture f({.connections_per_site = 1});
  f.add(users(200, "busy.mx"));
  f.route_all();
  const Work work = f.the_work();
  f.add({"a@rare.mx"});
  f.route_all(0ms);
  f.now += 1min;
  f.complete(work);
  const Work next = f.the_work();
  CHECK(next.way->domain == "busy.mx");
  f.add(users(200, "busy.mx"));
  f.complete(next);
  CHECK(f.the_work().way->domain == "busy.mx");
  CHECK(f.scheduler.next_wanted() == "rare.mx");
}

TEST_CASE("Answers that nobody asked for are ignored") {
  Fixture f;
  f.scheduler.route_found("d.mx", make_route("d.mx", "mx", f.now + 1h), f.now);
  f.add({"a@d.mx"});
  f.route_all();
  f.scheduler.route_found("d.mx", std::unexpected(no_such_domain(f.now)), f.now);
  CHECK(f.the_work().kind == Kind::open);
}

TEST_CASE("A route is kept for the mail that follows, as long as it may be") {
  Fixture f;
  f.add({"a@d.mx"});
  f.route_all(1min);
  f.complete(f.the_work());
  f.scheduler.forget(1);
  f.add({"b@d.mx"});
  CHECK_FALSE(f.scheduler.next_wanted());
  f.complete(f.the_work());
  f.now += 2min;
  f.add({"c@d.mx"});
  CHECK(f.scheduler.next_wanted() == "d.mx");
}
