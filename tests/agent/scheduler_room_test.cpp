// Sessions that take another attempt while earlier ones are unanswered.
#include "tests/agent/scheduler_fixture.h"

using namespace bulkmail;
using namespace bulkmail::agent;
using namespace bulkmail::agent::test;
using Kind = Work::Kind;
using Gone = Scheduler::Gone;

namespace {

// The only session of its Site, with one attempt under way.
Work only_session(Fixture& f) {
  f.route_all();
  Work work = f.the_work();
  f.scheduler.session_established(work.session, f.now);
  return work;
}

} // namespace

TEST_CASE("A session with room gets one more attempt each time that it says so, and keeps its place") {
  Fixture f({.connections_per_site = 1, .recipients_per_transaction = 10});
  f.add(users(100, "d.mx"));
  const Work first = only_session(f);
  CHECK(f.all_work().empty());
  f.scheduler.session_has_room(first.session, f.now);
  f.scheduler.session_has_room(first.session, f.now); // said twice, it is one
  const Work second = f.the_work();
  CHECK(second.kind == Kind::reuse);
  CHECK(second.session == first.session);
  CHECK(f.scheduler.load().sessions == 1);
  CHECK(f.scheduler.load().in_attempt == 20);
  CHECK(f.scheduler.load().idle == 0);
  f.settle(first, done, Pace{});
  CHECK(f.all_work().empty());
  f.settle(second, done, Pace{});
  f.scheduler.session_free(first.session, f.now);
  CHECK(f.the_work().session == first.session);
}

TEST_CASE("Room that nobody needs is remembered until there is mail, or the session is free") {
  Fixture f({.recipients_per_transaction = 10});
  f.add(users(10, "d.mx"));
  const Work first = only_session(f);
  f.scheduler.session_has_room(first.session, f.now);
  CHECK(f.all_work().empty());
  f.add({"late@d.mx"});
  const Work second = f.the_work();
  CHECK(second.session == first.session);
  f.settle(first, done, Pace{});
  f.scheduler.session_has_room(first.session, f.now);
  f.settle(second, done, Pace{});
  f.scheduler.session_free(first.session, f.now);
  CHECK(f.scheduler.load().idle == 1);
  f.add({"later@d.mx"});
  CHECK(f.the_work().session == first.session);
  CHECK(f.all_work().empty());
}

TEST_CASE("An idle session comes before one with room, and that before a new one") {
  Fixture f({.recipients_per_transaction = 10});
  f.add(users(1000, "d.mx"));
  const Work first = only_session(f);
  f.settle(first, done, Pace{});
  f.scheduler.session_free(first.session, f.now);
  const auto two = f.all_work();
  REQUIRE(two.size() == 2);
  const Work& other = two[two[0].session == first.session ? 1 : 0];
  const Work& again = two[two[0].session == first.session ? 0 : 1];
  f.scheduler.session_has_room(first.session, f.now);
  f.complete(other, Pace{});
  const auto next = f.work();
  REQUIRE(next);
  CHECK(next->session == other.session);
  const auto after = f.work();
  REQUIRE(after);
  CHECK(after->session == first.session);
  CHECK(after->kind == Kind::reuse);
  CHECK(count_of(f.all_work(), Kind::open) == 1); // as the Window allows, when no session has room
  f.settle(again, done, Pace{});
}

TEST_CASE("A session that has to make way gets no more, and closes when it is free") {
  Fixture f({.connections = 1, .recipients_per_transaction = 10});
  f.add(users(1000, "d.mx"));
  const Work first = only_session(f);
  f.add({"a@other.example"});
  f.route_all();
  f.now += 3s; // its turn is over
  f.scheduler.session_has_room(first.session, f.now);
  CHECK(f.all_work().empty());
  f.settle(first, done, Pace{});
  f.scheduler.session_free(first.session, f.now);
  const auto all = f.all_work();
  REQUIRE(all.size() == 1);
  CHECK(all.front().kind == Kind::close);
  f.scheduler.session_gone(first.session, Gone::closed, nullptr, f.now);
  CHECK(f.the_work().facts->number == 2);
}

TEST_CASE("A session that ends with several attempts leaves nothing behind") {
  Fixture f({.recipients_per_transaction = 10});
  f.add(users(30, "d.mx"));
  const Work first = only_session(f);
  f.scheduler.session_has_room(first.session, f.now);
  const Work second = f.the_work();
  f.scheduler.session_has_room(first.session, f.now);
  f.settle(first, done);
  f.settle(second, again);
  f.scheduler.session_gone(first.session, Gone::closed, nullptr, f.now);
  CHECK(f.known() == 20);
  const Work third = f.the_work();
  CHECK(third.kind == Kind::open);
  CHECK(third.session != first.session);
}

TEST_CASE("A rate holds for sessions with room, and so does what people hold") {
  SiteRule rule;
  rule.match = {"mx"};
  rule.rate = Rate{1, 10s};
  Fixture f({.recipients_per_transaction = 10, .sites = SiteRules(std::vector{rule})});
  f.add(users(100, "d.mx"));
  const Work first = only_session(f);
  f.scheduler.session_has_room(first.session, f.now);
  CHECK(f.all_work().empty());
  f.now += 10s;
  CHECK(f.the_work().session == first.session);
  f.scheduler.session_has_room(first.session, f.now);
  f.scheduler.hold(at_site("mx"), f.now);
  f.now += 10s;
  CHECK(f.all_work().empty());
  f.scheduler.release(at_site("mx"), f.now);
  CHECK(f.the_work().session == first.session);
}
