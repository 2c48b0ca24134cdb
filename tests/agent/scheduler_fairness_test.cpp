// Messages beside each other in one Site, Sites beside each other in the sharing of places, and mail that people hold.
#include "tests/agent/scheduler_fixture.h"

#include <map>
#include <set>

using namespace bulkmail;
using namespace bulkmail::agent;
using namespace bulkmail::agent::test;
using Kind = Work::Kind;

namespace {

std::vector<std::string> spread(std::size_t count, std::size_t domains, const std::string& host) {
  std::vector<std::string> addresses;
  for (std::size_t i = 0; i < count; ++i)
    addresses.push_back(fmt::format("u{}@d{}.{}", i, i % domains, host));
  return addresses;
}

} // namespace

TEST_CASE("A single mail behind a post over 500 domains of one site waits for a few transactions") {
  const std::size_t recipients = GENERATE(500, 100'000); // one a domain, or two hundred
  Fixture f({.connections_per_site = 1});
  f.add(spread(recipients, 500, "mx"));
  f.route_all();
  Work work = f.the_work();
  auto& single = f.add({"ann@d7.mx"});
  int waited = 0;
  while (work.message != single.number()) {
    f.complete(work);
    work = f.the_work();
    REQUIRE(++waited <= 4);
  }
}

TEST_CASE("Posts share a site evenly, however many domains each has there") {
  Fixture f({.connections_per_site = 1});
  auto& wide = f.add(spread(50'000, 100, "mx"));
  auto& narrow = f.add(users(50'000, "x.mx"));
  f.route_all();
  std::map<std::uint64_t, std::size_t> sent;
  for (int i = 0; i < 200; ++i) {
    const Work work = f.the_work();
    sent[work.message] += work.recipients.size();
    f.complete(work);
  }
  CHECK(sent[wide.number()] == 10'000);
  CHECK(sent[narrow.number()] == 10'000);
}

TEST_CASE("A message whose domains lead elsewhere meanwhile goes there when its turn comes") {
  Fixture f({.connections_per_site = 1});
  auto& message = f.add(spread(1000, 10, "old"));
  for (int i = 0; i < 10; ++i) {
    REQUIRE(f.scheduler.next_wanted());
    const auto name = fmt::format("d{}.old", i);
    f.scheduler.route_found(name, make_route(name, "old", f.now + (i < 5 ? 1min : 1h)), f.now);
  }
  Work work = f.the_work();
  f.scheduler.session_established(work.session, f.now);
  f.now += 2min;
  std::set<std::string> sites;
  for (int i = 0; i < 100 && !f.scheduler.finished(message.number()); ++i) {
    while (auto wanted = f.scheduler.next_wanted())
      f.scheduler.route_found(*wanted, make_route(*wanted, "new", f.now + 1h), f.now);
    f.complete(work);
    std::vector<Work> all = f.all_work();
    for (auto& more : all) sites.insert(more.way->site);
    while (all.size() > 1) {
      f.complete(all.back());
      all.pop_back();
      for (auto& more : f.all_work()) all.push_back(std::move(more));
    }
    if (all.empty()) break;
    work = all.front();
  }
  CHECK(sites.contains("10 new"));
}

TEST_CASE("Silent sites hold up new ones for seconds, however long they stay silent") {
  // 2,000 sites that never answer, 1,000 that do, and 1,000 places; each session to a silent one would take five minutes.
  Fixture f({.connections = 1000});
  std::vector<std::string> names;
  for (int i = 0; i < 3000; ++i) names.push_back(fmt::format("a@d.{}{}", i % 3 == 0 ? "mx" : "silent", i));
  for (const auto& name : names) f.add({name});
  f.route_all(100h);
  const auto began = f.now;
  std::set<std::string> served;
  std::map<SessionId, Work> opening;
  Monotonic last{};
  while (served.size() < 1000 && f.now < began + 5min) {
    std::vector<Work> answered;
    while (auto work = f.work()) {
      if (work->kind == Kind::open && !work->way->hosts.front().name.starts_with("silent")) {
        answered.push_back(std::move(*work));
      } else if (work->kind == Kind::open) {
        opening.emplace(work->session, std::move(*work));
      } else if (work->kind == Kind::give_up) {
        f.refuse(opening.at(work->session));
        opening.erase(work->session);
      } else if (work->kind == Kind::close) {
        f.scheduler.session_gone(work->session, Scheduler::Gone::closed, nullptr, f.now);
      } else if (work->kind == Kind::site_down) {
        f.settle(*work, delayed(work->due));
      }
      REQUIRE(f.scheduler.load().sessions <= 1000);
    }
    f.now += 100ms;
    for (const auto& work : answered) {
      f.complete(work);
      served.insert(work.way->site);
      last = f.now;
    }
  }
  CHECK(served.size() == 1000);
  // 3,000 at 500 a time, five seconds each at the most.
  CHECK(last - began < 30s);
}

TEST_CASE("A host that is slow to greet is reached although others wait, as patience grows") {
  Fixture f({.connections = 2, .schedule = RetrySchedule({1s})});
  f.add({"a@d.slow"});
  for (int i = 0; i < 500; ++i) f.add({fmt::format("a@d.silent{}", i)});
  f.route_all(100h);
  std::map<SessionId, Work> opening;
  std::map<SessionId, Monotonic> since;
  bool reached = false;
  const auto began = f.now;
  while (!reached && f.now < began + 12h) {
    while (auto work = f.work()) {
      if (work->kind == Kind::open) {
        since[work->session] = f.now;
        opening.emplace(work->session, std::move(*work));
      } else if (work->kind == Kind::give_up) {
        f.refuse(opening.at(work->session));
        opening.erase(work->session);
      } else if (work->kind == Kind::site_down) {
        f.settle(*work, delayed(work->due));
      }
    }
    f.now += 1s;
    for (const auto& [session, work] : opening)
      reached = reached || (work.way->site == "10 slow" && f.now - since.at(session) >= 20s);
  }
  CHECK(reached);
}

TEST_CASE("What is held is neither ready nor due until it is released, and expires") {
  Fixture f({.connections_per_site = 1});
  auto& first = f.add(users(300, "d.mx"));
  auto& second = f.add(users(10, "d.mx"), 1h);
  f.route_all(100h);
  const Selector what = GENERATE(0, 1, 2, 3) == 0 ? one_message(1) : from_sender("example.org");
  Work work = f.the_work();
  REQUIRE(work.message == first.number());
  f.scheduler.hold(what, f.now);
  f.scheduler.session_established(work.session, f.now);
  f.settle(work, delayed(f.now + 1min));
  f.scheduler.session_free(work.session, f.now);
  f.now += 2min;
  for (int i = 0; i < 5; ++i) {
    for (const auto& next : f.all_work()) {
      CHECK(next.message != first.number());
      if (next.kind == Kind::reuse || next.kind == Kind::open) f.complete(next);
      if (next.kind == Kind::close)
        f.scheduler.session_gone(next.session, Scheduler::Gone::closed, nullptr, f.now);
    }
  }
  CHECK(f.scheduler.finished(second.number()) == (what.kind == Selector::Kind::message));
  CHECK(f.scheduler.load().ready == 0);
  CHECK(f.scheduler.load().held >= 300);
  f.scheduler.release(what, f.now);
  std::size_t sent = 0;
  for (int i = 0; i < 50; ++i) {
    for (const auto& next : f.all_work()) {
      if (next.kind == Kind::close) {
        f.scheduler.session_gone(next.session, Scheduler::Gone::closed, nullptr, f.now);
        continue;
      }
      sent += next.message == first.number() ? next.recipients.size() : 0;
      f.complete(next);
    }
  }
  CHECK(sent == 300);
  CHECK(f.known() == 0);
}

TEST_CASE("A held domain or site sends nothing, and others go on") {
  Fixture f;
  const std::string text = GENERATE("d.mx", "mx", "10 mx");
  f.scheduler.hold(at_site(text), f.now);
  f.add({"a@d.mx", "a@e.other"});
  f.route_all();
  CHECK(f.the_work().way->site == "10 other");
  CHECK(f.scheduler.load().held == 1 - f.scheduler.load().resolving);
  f.scheduler.release(at_site(text), f.now);
  f.route_all();
  CHECK(f.the_work().way->site == "10 mx");
}

TEST_CASE("What comes while a cancel goes through the queue is not meant by it") {
  Fixture f;
  std::vector<std::string> many;
  for (int i = 0; i < 5000; ++i) many.push_back(fmt::format("u@d{}.mx", i));
  f.add(many);
  f.scheduler.cancel({}, f.now);
  REQUIRE(f.scheduler.next_work(f.now)); // it has only begun
  const auto& later = f.add({"late@d.mx"});
  std::size_t cancelled = 0;
  for (;;) {
    f.route_all();
    const auto work = f.work();
    if (!work) break;
    if (work->kind != Kind::cancelled) {
      CHECK(work->message == later.number());
      f.complete(*work);
      break;
    }
    cancelled += work->recipients.size();
    CHECK(work->message == 1);
    f.settle(*work, done);
  }
  CHECK(f.scheduler.finished(later.number()));
  CHECK(cancelled > 0);
}

TEST_CASE("A held sender is meant however its domain is written") {
  Fixture f;
  f.messages.push_back(make_message(1, {"u@d.mx"}));
  REQUIRE(f.messages.back()->facts()->envelope.sender() == "list@example.org");
  f.scheduler.hold(from_sender(GENERATE("EXAMPLE.org", "list@Example.Org", "*.org")), f.now);
  put(f.scheduler, *f.messages.back(), f.now + 1h, f.now);
  f.route_all();
  CHECK(f.all_work().empty());
  CHECK(f.scheduler.load().held == 1);
}

TEST_CASE("What is cancelled comes back so, and what is in an attempt when that ends") {
  Fixture f({.connections_per_site = 1, .recipients_per_transaction = 10});
  auto& message = f.add(users(2500, "d.mx"));
  f.add({"other@d.mx"});
  f.route_all();
  const Work flying = f.the_work();
  f.scheduler.cancel(GENERATE(0, 1) == 0 ? one_message(message.number()) : at_site("d.mx"), f.now);
  std::size_t cancelled = 0;
  const auto take = [&] {
    for (const auto& work : f.all_work()) {
      if (work.kind == Kind::cancelled) {
        CHECK(work.recipients.size() <= 1000);
        if (work.message == message.number()) cancelled += work.recipients.size();
      }
      f.settle(work, done);
    }
  };
  take();
  CHECK(cancelled == 2490);
  f.scheduler.session_established(flying.session, f.now);
  std::vector<Disposition> answers(10, done);
  answers[3] = again;
  answers[4] = delayed(f.now + 1h);
  f.scheduler.settle(flying.attempt, answers, f.now);
  take();
  CHECK(cancelled == 2492);
  CHECK(f.scheduler.finished(message.number()));
}

TEST_CASE("Recipients are sorted by canonical domain, the malformed ones left out") {
  spool::EnvelopeBuilder builder;
  for (const char* address :
       {"a@B.example", "b@a.example", "c@b.example", "broken@", "d@b.EXAMPLE", "e@x..y"})
    builder.recipient(address);
  const auto sorted = sort_by_domain(builder.take());
  REQUIRE(sorted.groups.size() >= 2);
  CHECK(sorted.groups[0].domain == "b.example");
  CHECK(sorted.groups[0].begin == 0);
  CHECK(sorted.groups[0].end == 3);
  CHECK(std::vector(sorted.order.begin(), sorted.order.begin() + 4) ==
        std::vector<std::uint32_t>{0, 2, 4, 1});
  CHECK(sorted.groups[1].domain == "a.example");
  CHECK(std::ranges::find(sorted.malformed, 3U) != sorted.malformed.end());
}
