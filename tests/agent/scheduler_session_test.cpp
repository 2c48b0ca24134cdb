// Sessions: when one is opened, used again, given up; outages; the sharing of connections among sites.
#include "tests/agent/scheduler_fixture.h"

#include <map>
#include <set>

using namespace bulkmail;
using namespace bulkmail::agent;
using namespace bulkmail::agent::test;
using Kind = Work::Kind;
using Gone = Scheduler::Gone;

namespace {

Scheduler::SiteView view(const Fixture& f, const std::string& site) {
  for (auto& view : f.scheduler.sites()) {
    if (view.site == site) return view;
  }
  FAIL("no such site: " << site);
  return {};
}

// Brings a site to `count` busy sessions, each with a transaction under way.
std::vector<Work> grow(Fixture& f, std::size_t count) {
  std::vector<Work> busy = f.all_work();
  while (busy.size() < count) {
    const Work work = busy.front();
    busy.erase(busy.begin());
    f.complete(work);
    for (auto& more : f.all_work()) busy.push_back(std::move(more));
  }
  return busy;
}

} // namespace

TEST_CASE("A site has one session until it has answered, then one more for each transaction") {
  Fixture f({.connections_per_site = 3});
  f.add(users(10'000, "d.mx"));
  f.route_all();
  const Work first = f.the_work();
  CHECK(f.all_work().empty());
  f.scheduler.session_established(first.session, f.now);
  CHECK(f.all_work().empty());
  f.settle(first, done, Pace{});
  f.scheduler.session_free(first.session, f.now);
  auto all = f.all_work();
  CHECK(count_of(all, Kind::reuse) == 1);
  CHECK(count_of(all, Kind::open) == 1);
  for (const auto& work : all) f.complete(work);
  all = f.all_work();
  CHECK(all.size() == 3);
  for (const auto& work : all) f.complete(work);
  CHECK(f.all_work().size() == 3);
  CHECK(view(f, "10 mx").window == 3);
}

TEST_CASE("No more sessions are opened than there is work for") {
  Fixture f;
  f.add(users(10'000, "d.mx"));
  f.route_all();
  auto busy = grow(f, 10);
  f.scheduler.forget(1);
  for (const auto& work : busy) f.complete(work);
  REQUIRE(f.scheduler.load().idle == f.scheduler.load().sessions);
  const auto before = f.scheduler.load().sessions;
  f.add({"a@d.mx"});
  f.add({"b@d.mx"});
  const auto all = f.all_work();
  CHECK(count_of(all, Kind::reuse) == 2);
  CHECK(f.scheduler.load().sessions == before);
}

TEST_CASE("The session used last is used again, so that surplus ones grow idle and are closed") {
  Fixture f({.idle = 10s});
  f.add(users(10'000, "d.mx"));
  f.route_all();
  auto busy = grow(f, 3);
  f.scheduler.forget(1);
  for (const auto& work : busy) f.complete(work);
  const auto last = busy.back().session;
  std::multiset<SessionId> closed;
  for (int i = 0; i < 15; ++i) {
    f.now += 1s;
    f.add({"a@d.mx"});
    for (const auto& work : f.all_work()) {
      if (work.kind == Kind::close) {
        closed.insert(work.session);
        f.scheduler.session_gone(work.session, Gone::closed, nullptr, f.now);
      } else {
        CHECK(work.session == last);
        f.complete(work);
      }
    }
  }
  CHECK(closed.size() == busy.size() - 1);
  CHECK_FALSE(closed.contains(last));
  CHECK(f.scheduler.wake_at(f.now) == f.now + 10s);
}

TEST_CASE("A refused session shrinks the window to those that live, and its recipients go on over them") {
  Fixture f;
  f.add(users(10'000, "d.mx"));
  f.route_all();
  auto busy = grow(f, 8);
  // One of those being opened is turned away.
  const auto refused = std::ranges::find(busy, Kind::open, &Work::kind);
  REQUIRE(refused != busy.end());
  CHECK(f.scheduler.has_company(refused->session));
  f.settle(*refused, again);
  f.scheduler.session_gone(refused->session, Gone::refused, Fixture::no_answer(), f.now);
  const auto site = view(f, "10 mx");
  CHECK(site.window == site.sessions);
  CHECK(site.window == busy.size() - 1);
  CHECK(site.last_reply == "x-bulkmail; connect timed out");
  CHECK_FALSE(site.next_attempt);
  CHECK(f.all_work().empty());
}

TEST_CASE("A site without a session left is down: what waits is told once, and waits with the site") {
  Fixture f;
  auto& message = f.add(users(2600, "d.mx"));
  f.route_all();
  const Work first = f.the_work();
  CHECK_FALSE(f.scheduler.has_company(first.session));
  const auto due = f.scheduler.site_due(first.session, f.now);
  CHECK(due >= f.now + 5min);
  CHECK(due <= f.now + 5min * 5 / 4);
  const bool settled_first = GENERATE(true, false);
  if (settled_first) f.settle(first, delayed(due));
  f.scheduler.session_gone(first.session, Gone::refused, Fixture::no_answer(), f.now);
  if (!settled_first) f.settle(first, delayed(due));

  std::size_t answered = 0;
  const auto tell_all = [&](Monotonic until) {
    answered = 0;
    for (const auto& work : f.all_work()) {
      CHECK(work.kind == Kind::site_down);
      CHECK(work.recipients.size() <= 1000);
      REQUIRE(work.last_outcome);
      CHECK(work.last_outcome->diagnostic_code == "x-bulkmail; connect timed out");
      CHECK(work.due == until);
      answered += work.recipients.size();
      f.settle(work, delayed(until));
    }
  };
  tell_all(due);
  CHECK(answered == 2500);
  CHECK(view(f, "10 mx").next_attempt == due);
  CHECK(f.next_attempt(message.number()) == due);
  CHECK(f.scheduler.load().delayed == 2600);
  CHECK(f.scheduler.quiet());
  CHECK(f.scheduler.wake_at(f.now) == due);

  // New mail is told as well, and changes nothing.
  f.now += 1min;
  f.add({"new@d.mx"});
  tell_all(due);
  CHECK(answered == 1);

  // Then one session probes, and the rest waits for it. In vain: all are told again, and the next wait is the schedule's.
  f.now = due;
  const Work probe = f.the_work();
  CHECK(probe.kind == Kind::open);
  f.refuse(probe);
  const auto next = *view(f, "10 mx").next_attempt;
  CHECK(next >= f.now + 5min);
  tell_all(next);
  CHECK(answered == 2501);

  // It answers, and everything is ready at once, but a slow start.
  f.now = next;
  const Work second = f.the_work();
  CHECK(second.kind == Kind::open);
  CHECK(f.scheduler.load().ready == 2501);
  f.complete(second);
  CHECK(f.all_work().size() == 2);
  CHECK_FALSE(view(f, "10 mx").next_attempt);
  CHECK_FALSE(f.scheduler.finished(message.number()));
}

TEST_CASE("Waits between tries of a site follow the schedule, until it answers") {
  Fixture f({.schedule = RetrySchedule({1min, 10min, 1h})});
  f.add(users(10, "d.mx"));
  f.route_all(1000h);
  for (const std::chrono::seconds step : {1min, 10min, 60min, 60min}) {
    f.refuse(f.the_work());
    const auto wait = *view(f, "10 mx").next_attempt - f.now;
    CHECK(wait >= step);
    CHECK(wait <= step * 5 / 4);
    f.now += wait;
  }
  const Work work = f.the_work();
  f.scheduler.session_established(work.session, f.now);
  f.settle(work, again);
  f.scheduler.session_gone(work.session, Gone::closed, nullptr, f.now);
  f.refuse(f.the_work());
  CHECK(*view(f, "10 mx").next_attempt <= f.now + 75s);
}

TEST_CASE("Recipients with an answer of their own keep their own time through an outage") {
  Fixture f({.recipients_per_transaction = 1});
  auto& message = f.add(users(2, "d.mx"));
  f.route_all();
  const Work first = f.the_work();
  f.scheduler.session_established(first.session, f.now);
  f.settle(first, delayed(f.now + 1min));
  f.scheduler.session_gone(first.session, Gone::closed, nullptr, f.now);
  f.refuse(f.the_work());
  const auto due = *view(f, "10 mx").next_attempt;
  CHECK(f.next_attempt(message.number()) == f.now + 1min);
  f.now += 1min;
  const Work told = f.the_work();
  CHECK(told.kind == Kind::site_down);
  f.settle(told, delayed(told.due));
  CHECK(f.next_attempt(message.number()) == due);
}

TEST_CASE("A session that comes through after all ends the outage") {
  Fixture f;
  f.add(users(10'000, "d.mx"));
  f.route_all();
  auto busy = grow(f, 6);
  std::vector<Work> opening;
  for (const auto& work : busy) {
    if (work.kind == Kind::open) {
      opening.push_back(work);
    } else {
      f.settle(work, again);
      f.scheduler.session_gone(work.session, Gone::closed, nullptr, f.now);
    }
  }
  REQUIRE(opening.size() >= 2);
  f.settle(opening[0], again);
  f.scheduler.session_gone(opening[0].session, Gone::refused, Fixture::no_answer(), f.now);
  CHECK(view(f, "10 mx").next_attempt);
  f.scheduler.session_established(opening[1].session, f.now);
  CHECK_FALSE(view(f, "10 mx").next_attempt);
  CHECK(count_of(f.all_work(), Kind::site_down) == 0);
}

TEST_CASE("A flush lifts the hold of a site that is down") {
  Fixture f;
  auto& message = f.add({"a@d.mx"});
  f.route_all();
  f.refuse(f.the_work());
  CHECK(f.all_work().empty());
  switch (GENERATE(0, 1, 2)) {
  case 0: f.scheduler.flush({}, f.now); break;
  case 1: f.scheduler.flush(at_site("d.mx"), f.now); break;
  case 2: f.scheduler.flush(one_message(message.number()), f.now); break;
  }
  CHECK(f.the_work().kind == Kind::open);
}

TEST_CASE("A peer that takes one transaction a session can still be sent more than one at a time") {
  Fixture f({.connections_per_site = 4});
  f.add(users(5000, "d.mx"));
  f.route_all();
  std::vector<Work> busy = f.all_work();
  for (int i = 0; i < 6; ++i) {
    for (const auto& work : std::exchange(busy, {})) {
      f.scheduler.session_established(work.session, f.now);
      f.settle(work, done, Pace{});
      f.scheduler.session_gone(work.session, Gone::closed, nullptr, f.now);
    }
    busy = f.all_work();
  }
  CHECK(busy.size() == 4);
}

TEST_CASE("When nothing can be opened here, opening rests for a second instead of spinning") {
  Fixture f;
  f.add({"a@d.mx"});
  f.add({"a@e.other"});
  f.route_all();
  const auto all = f.all_work();
  REQUIRE(all.size() == 2);
  f.settle(all[0], again);
  f.scheduler.session_gone(all[0].session, Gone::closed, nullptr, f.now);
  CHECK(f.all_work().empty());
  CHECK(f.scheduler.wake_at(f.now) == f.now + 1s);
  f.now += 1s;
  CHECK(f.the_work().kind == Kind::open);
}

TEST_CASE("Sessions never outnumber the limits, and a site that comes late gets its share") {
  Fixture f({.connections = 8, .connections_per_site = 20});
  f.add(users(20'000, "big.one"));
  f.route_all();
  auto busy = grow(f, 8);
  CHECK(f.scheduler.load().sessions == 8);
  f.add(users(20'000, "late.two"));
  f.route_all();
  CHECK(f.all_work().empty()); // nothing is taken from under a transaction

  std::map<std::string, int> share;
  for (int round = 0; round < 20; ++round) {
    for (const auto& work : std::exchange(busy, {})) {
      f.complete(work);
      for (auto& next : f.all_work()) {
        if (next.kind == Kind::close) {
          f.scheduler.session_gone(next.session, Gone::closed, nullptr, f.now);
          for (auto& opened : f.all_work()) busy.push_back(std::move(opened));
        } else {
          busy.push_back(std::move(next));
        }
      }
      REQUIRE(f.scheduler.load().sessions <= 8);
    }
  }
  for (const auto& work : busy) ++share[work.way->site];
  CHECK(share["10 one"] == 4);
  CHECK(share["10 two"] == 4);
}

TEST_CASE("Idle sessions of others are closed first, the oldest first, and no more than are needed") {
  Fixture f({.connections = 4, .connections_per_site = 2, .idle = 1h});
  std::vector<SessionId> idle;
  for (const char* name : {"a@x.a", "a@x.b", "a@x.c", "a@x.d"}) {
    f.add({name});
    f.route_all();
    const Work work = f.the_work();
    f.complete(work);
    idle.push_back(work.session);
    f.now += 1s;
  }
  f.add({"late@x.e"});
  f.route_all();
  const Work close = f.the_work();
  CHECK(close.kind == Kind::close);
  CHECK(close.session == idle[0]);
  CHECK(f.all_work().empty()); // the place comes when it is gone
  f.scheduler.session_gone(close.session, Gone::closed, nullptr, f.now);
  const Work open = f.the_work();
  CHECK(open.kind == Kind::open);
  CHECK(open.way->site == "10 e");
}

TEST_CASE(
    "Sites that have not answered may take half of the connections, each one, first come first served") {
  Fixture f({.connections = 10});
  std::vector<std::string> order;
  for (int i = 0; i < 20; ++i) f.add({fmt::format("a@x.s{}", i), fmt::format("b@x.s{}", i)});
  f.route_all();
  auto all = f.all_work();
  REQUIRE(all.size() == 5);
  for (std::size_t i = 0; i < 5; ++i) CHECK(all[i].way->site == fmt::format("10 s{}", i));
  // One answers, and the next may try.
  f.scheduler.session_established(all[2].session, f.now);
  const Work next = f.the_work();
  CHECK(next.way->site == "10 s5");
  // One does not, and its place is the next one's.
  f.refuse(all[0]);
  CHECK(f.the_work().way->site == "10 s6");
}

TEST_CASE("Where there are more sites than connections, each has its time") {
  Fixture f({.connections = 2, .connections_per_site = 2});
  for (int i = 0; i < 6; ++i) f.add(users(100'000, fmt::format("d.s{}", i)));
  f.route_all();
  std::map<std::string, int> served;
  std::vector<Work> busy = f.all_work();
  for (int step = 0; step < 400; ++step) {
    f.now += 200ms;
    for (const auto& work : std::exchange(busy, {})) {
      ++served[work.way->site];
      f.complete(work);
    }
    for (auto& work : f.all_work()) {
      if (work.kind == Kind::close) {
        f.scheduler.session_gone(work.session, Gone::closed, nullptr, f.now);
      } else {
        busy.push_back(std::move(work));
      }
    }
    for (auto& work : f.all_work()) busy.push_back(std::move(work));
    REQUIRE(f.scheduler.load().sessions <= 2);
  }
  CHECK(served.size() == 6);
  for (const auto& [site, transactions] : served) CHECK(transactions > 60);
}

TEST_CASE("Lower limits hold as soon as sessions become free") {
  Fixture f({.connections_per_site = 6});
  f.add(users(50'000, "d.mx"));
  f.route_all();
  auto busy = grow(f, 6);
  f.config.connections_per_site = 2;
  f.scheduler.set_config(f.config, f.now);
  for (int round = 0; round < 3; ++round) {
    for (const auto& work : std::exchange(busy, {})) f.complete(work);
    for (auto& work : f.all_work()) {
      if (work.kind == Kind::close) {
        f.scheduler.session_gone(work.session, Gone::closed, nullptr, f.now);
      } else {
        busy.push_back(std::move(work));
      }
    }
  }
  CHECK(f.scheduler.load().sessions == 2);
  f.config.connections = 1;
  f.scheduler.set_config(f.config, f.now);
  for (const auto& work : std::exchange(busy, {})) f.complete(work);
  CHECK(count_of(f.all_work(), Kind::close) == 1);
}

TEST_CASE("A site that nothing needs any more is forgotten") {
  Fixture f({.idle = 10s});
  f.add({"a@d.mx"});
  f.route_all(1min);
  f.complete(f.the_work());
  f.now += 10s;
  const Work close = f.the_work();
  f.scheduler.session_gone(close.session, Gone::closed, nullptr, f.now);
  CHECK(f.scheduler.sites().size() == 1);
  f.now += 1min;
  CHECK(f.all_work().empty());
  CHECK(f.all_work().empty());
  CHECK(f.scheduler.sites().empty());
}

TEST_CASE("What is not known is ignored") {
  Fixture f;
  f.scheduler.session_established(7, f.now);
  f.scheduler.session_free(7, f.now);
  f.scheduler.session_gone(7, Gone::refused, nullptr, f.now);
  f.scheduler.settle(7, {}, f.now);
  f.scheduler.forget(7);
  CHECK(f.scheduler.finished(7));
  CHECK_FALSE(f.next_attempt(7));
  CHECK(f.scheduler.quiet());
  CHECK_FALSE(f.scheduler.wake_at(f.now));
}
