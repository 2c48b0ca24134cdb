// Recipients into queues and out of them: sorting, turns, settling, delays, expiry, cancelling.
#include "tests/agent/scheduler_fixture.h"

#include <set>

using namespace bulkmail;
using namespace bulkmail::agent;
using namespace bulkmail::agent::test;
using Kind = Work::Kind;

TEST_CASE("One mail goes from its domain's question over a new session to its end") {
  Fixture f;
  auto& message = f.add({"ann@d.mx"});
  CHECK(f.scheduler.load().resolving == 1);
  CHECK_FALSE(f.work());
  CHECK(f.route_all() == std::vector<std::string>{"d.mx"});
  const Work work = f.the_work();
  CHECK(work.kind == Kind::open);
  CHECK(work.message == message.number());
  CHECK(work.recipients == std::vector<std::uint32_t>{0});
  CHECK(work.way->site == "10 mx");
  CHECK(f.scheduler.load().in_attempt == 1);
  CHECK_FALSE(f.scheduler.quiet());
  f.complete(work);
  CHECK(f.scheduler.finished(message.number()));
  CHECK(f.known() == 0);
  CHECK(f.scheduler.quiet());
  f.scheduler.forget(message.number());
}

TEST_CASE(
    "Recipients of one domain share transactions, in the envelope's order, and each is in exactly one") {
  Fixture f({.recipients_per_transaction = 100});
  std::vector<std::string> addresses;
  for (int i = 0; i < 250; ++i) {
    addresses.push_back(fmt::format("u{}@a.mx", i));
    addresses.push_back(fmt::format("u{}@b.other", i));
  }
  auto& message = f.add(addresses);
  f.route_all();
  std::multiset<std::uint32_t> seen;
  while (!f.scheduler.finished(message.number())) {
    const auto all = f.all_work();
    REQUIRE_FALSE(all.empty());
    for (const auto& work : all) {
      CHECK(work.recipients.size() <= 100);
      CHECK(std::ranges::is_sorted(work.recipients));
      const auto first_domain = message.facts()->envelope.recipient(work.recipients.front()).domain;
      for (const auto recipient : work.recipients) {
        seen.insert(recipient);
        CHECK(message.facts()->envelope.recipient(recipient).domain == first_domain);
      }
      f.complete(work);
    }
  }
  CHECK(seen.size() == 500);
  CHECK(std::set(seen.begin(), seen.end()).size() == 500);
}

TEST_CASE("Domains are told apart in canonical form") {
  Fixture f;
  auto& message = f.add({"a@D.mx", "b@d.MX", "c@d.mx"});
  CHECK(f.route_all() == std::vector<std::string>{"d.mx"});
  const Work work = f.the_work();
  CHECK(work.recipients.size() == 3);
  f.complete(work);
  CHECK(f.scheduler.finished(message.number()));
}

TEST_CASE("What is final already is not queued") {
  Fixture f;
  auto message = make_message(1, {"a@d.mx", "b@d.mx"});
  spool::Outcome failed;
  failed.action = spool::Action::failed;
  message->apply(std::vector<std::uint32_t>{0}, std::make_shared<const spool::Outcome>(failed));
  put(f.scheduler, *message, f.now + 1h, f.now);
  f.route_all();
  CHECK(f.the_work().recipients == std::vector<std::uint32_t>{1});

  auto nothing_left = make_message(2, {"a@d.mx"});
  nothing_left->apply(std::vector<std::uint32_t>{0}, std::make_shared<const spool::Outcome>(failed));
  put(f.scheduler, *nothing_left, f.now + 1h, f.now);
  CHECK(f.scheduler.finished(2));
}

TEST_CASE("With XVERP each recipient has a transaction of its own") {
  Fixture f;
  auto message = make_message(1, users(5, "d.mx"), true);
  put(f.scheduler, *message, f.now + 1h, f.now);
  f.route_all();
  int transactions = 0;
  while (!f.scheduler.finished(1)) {
    for (const auto& work : f.all_work()) {
      CHECK(work.recipients.size() == 1);
      f.complete(work);
      ++transactions;
    }
  }
  CHECK(transactions == 5);
}

TEST_CASE("A single mail behind a post to 100,000 waits for a few transactions") {
  Fixture f({.connections_per_site = 1});
  f.add(users(100'000, "d.mx"));
  f.route_all();
  Work work = f.the_work();
  auto& single = f.add({"ann@d.mx"});
  int waited = 0;
  while (!f.scheduler.finished(single.number())) {
    f.complete(work);
    work = f.the_work();
    if (work.message == single.number()) f.complete(work);
    REQUIRE(++waited < 4);
  }
}

TEST_CASE("Domains of one site take turns") {
  Fixture f({.connections_per_site = 1});
  f.add(users(1000, "a.mx"));
  auto& other = f.add({"ann@b.mx"});
  f.route_all();
  Work work = f.the_work();
  f.complete(work);
  CHECK(f.the_work().message == other.number());
}

TEST_CASE("Recipients that part ways each go their own") {
  Fixture f({.idle = 1h});
  auto& message = f.add(users(6, "d.mx"));
  f.route_all();
  const Work work = f.the_work();
  f.scheduler.session_established(work.session, f.now);
  const auto soon = f.now + 1min, late = f.now + 2min;
  f.scheduler.settle(work.attempt,
                     std::vector{delayed(late), done, again, delayed(soon), done, delayed(late)}, f.now);
  CHECK(f.scheduler.load().delayed == 3);
  CHECK(f.scheduler.load().ready == 1);
  CHECK(f.next_attempt(message.number()) == soon);
  f.scheduler.session_free(work.session, f.now);

  const Work rest = f.the_work();
  CHECK(rest.kind == Kind::reuse);
  CHECK(rest.recipients == std::vector<std::uint32_t>{2});
  f.complete(rest);
  CHECK(f.all_work().empty());
  CHECK(f.scheduler.wake_at(f.now) <= soon);

  f.now = soon;
  const Work second = f.the_work();
  CHECK(second.recipients == std::vector<std::uint32_t>{3});
  f.settle(second, done);
  f.scheduler.session_gone(second.session, Scheduler::Gone::closed, nullptr, f.now);
  CHECK(f.next_attempt(message.number()) == late);

  f.now = late;
  const Work third = f.the_work();
  CHECK(third.recipients == std::vector<std::uint32_t>{0, 5});
  f.complete(third);
  CHECK(f.scheduler.finished(message.number()));
  CHECK_FALSE(f.next_attempt(message.number()));
}

TEST_CASE("What is tried again at once comes before what waits, and before the next message") {
  Fixture f({.connections_per_site = 1, .recipients_per_transaction = 10});
  f.add(users(30, "d.mx"));
  f.add({"other@d.mx"});
  f.route_all();
  const Work work = f.the_work();
  f.scheduler.session_established(work.session, f.now);
  std::vector<Disposition> answers(10, done);
  answers[8] = answers[9] = again;
  f.scheduler.settle(work.attempt, answers, f.now);
  f.scheduler.session_free(work.session, f.now);
  const Work next = f.the_work();
  REQUIRE(next.recipients.size() == 10);
  CHECK(next.recipients[0] == 8);
  CHECK(next.recipients[1] == 9);
  CHECK(next.recipients[2] == 10);
}

TEST_CASE("Delayed jobs that are due together share a transaction") {
  Fixture f;
  std::vector<std::string> addresses = users(50, "d.mx");
  auto message = make_message(1, addresses);
  std::vector<Consignment::Restored> restored;
  for (std::uint32_t i = 0; i < 50; ++i)
    restored.push_back({i, 1, f.now + 1min + std::chrono::milliseconds(i)});
  put(f.scheduler, *message, f.now + 1h, f.now, restored);
  CHECK(f.scheduler.load().delayed == 50);
  f.now += 2min;
  CHECK_FALSE(f.work());
  f.route_all();
  CHECK(f.the_work().recipients.size() == 50);
}

TEST_CASE("Restored delays are kept: not before they are due, and the others at once") {
  Fixture f;
  auto message = make_message(1, {"a@d.mx", "b@d.mx", "c@d.mx"});
  const std::vector<Consignment::Restored> restored{
      {1, 1, f.now + 10min}, {2, 1, f.now - 1s}, {77, 1, f.now + 1s}};
  put(f.scheduler, *message, f.now + 1h, f.now, restored);
  f.route_all();
  const Work work = f.the_work();
  CHECK(std::set(work.recipients.begin(), work.recipients.end()) == std::set<std::uint32_t>{0, 2});
  CHECK(f.next_attempt(1) == f.now + 10min);
}

TEST_CASE("When a message's time is over, what is not in an attempt comes back as expired, in chunks") {
  Fixture f({.connections_per_site = 1});
  auto& message = f.add(users(2500, "d.mx"), 1h);
  f.add({"long@d.mx"}, 100h);
  f.route_all();
  const Work flying = f.the_work();
  f.now += 1h;
  auto all = f.all_work();
  REQUIRE(count_of(all, Kind::expired) == all.size());
  std::size_t expired = 0;
  for (const auto& work : all) {
    CHECK(work.message == message.number());
    CHECK(work.recipients.size() <= 1000);
    expired += work.recipients.size();
    f.settle(work, done);
  }
  CHECK(all.size() == 3);
  CHECK(expired == 2400);
  CHECK_FALSE(f.scheduler.finished(message.number()));

  f.scheduler.session_established(flying.session, f.now);
  std::vector<Disposition> answers(100, done);
  answers[0] = delayed(f.now + 1h);
  answers[1] = again;
  f.scheduler.settle(flying.attempt, answers, f.now);
  const auto last = f.work();
  REQUIRE(last);
  CHECK(last->kind == Kind::expired);
  CHECK(last->recipients.size() == 2);
  f.settle(*last, done);
  CHECK(f.scheduler.finished(message.number()));
}

TEST_CASE("Delayed and unresolved recipients expire too") {
  Fixture f;
  auto& waiting = f.add({"a@d.mx"}, 1h);
  f.route_all();
  const Work work = f.the_work();
  f.scheduler.session_established(work.session, f.now);
  f.settle(work, delayed(f.now + 10h));
  f.scheduler.session_gone(work.session, Scheduler::Gone::closed, nullptr, f.now);
  auto& unresolved = f.add({"a@slow.dns"}, 1h);
  CHECK(f.scheduler.next_wanted() == "slow.dns");
  CHECK(f.scheduler.wake_at(f.now) == f.now + 1h);
  f.now += 1h;
  const auto all = f.all_work();
  REQUIRE(count_of(all, Kind::expired) == 2);
  for (const auto& expired : all) f.settle(expired, done);
  CHECK(f.scheduler.finished(waiting.number()));
  CHECK(f.scheduler.finished(unresolved.number()));
  f.scheduler.route_found("slow.dns", make_route("slow.dns", "mx", f.now + 1h), f.now);
  CHECK(f.all_work().empty());
}

TEST_CASE("After a restart nothing expires before one attempt") {
  Fixture f;
  auto message = make_message(1, {"a@d.mx", "b@d.mx"});
  const std::vector<Consignment::Restored> restored{{1, 1, f.now + 10min}};
  put(f.scheduler, *message, f.now - 1h, f.now, restored, true);
  f.route_all();
  const Work first = f.the_work();
  CHECK(first.kind == Kind::open);
  f.scheduler.session_established(first.session, f.now);
  f.settle(first, delayed(f.now + 1h));
  f.scheduler.session_gone(first.session, Scheduler::Gone::closed, nullptr, f.now);
  const Work over = f.the_work();
  CHECK(over.kind == Kind::expired);
  CHECK(over.recipients == std::vector<std::uint32_t>{0});
  f.settle(over, done);
  f.now += 10min;
  const Work second = f.the_work();
  CHECK(second.kind == Kind::open);
  CHECK(second.recipients == std::vector<std::uint32_t>{1});
}

TEST_CASE("After a restart, what was put back untried is still tried before it expires") {
  Fixture f({.recipients_per_transaction = 1});
  auto message = make_message(1, users(2, "d.mx"));
  put(f.scheduler, *message, f.now - 1h, f.now, {}, true);
  f.route_all();
  const Work work = f.the_work();
  f.scheduler.session_established(work.session, f.now);
  f.settle(work, again, Pace{});
  f.scheduler.session_free(work.session, f.now);
  const auto all = f.all_work();
  CHECK(all.size() == 2);
  CHECK(count_of(all, Kind::expired) == 0);
}

TEST_CASE("Without that, a message whose time is over when it comes is not tried") {
  Fixture f;
  f.add({"a@d.mx"}, -1s);
  CHECK(f.the_work().kind == Kind::expired);
}

TEST_CASE("A flush makes due what waits: all of it, one domain, or one message") {
  Fixture f;
  auto& one = f.add({"a@d.mx", "a@e.mx"});
  auto& two = f.add({"b@d.mx"});
  f.route_all(100h);
  while (auto work = f.work()) {
    if (work->kind == Kind::open) f.scheduler.session_established(work->session, f.now);
    f.settle(*work, delayed(f.now + 10h));
    f.scheduler.session_free(work->session, f.now);
  }
  REQUIRE(f.scheduler.load().delayed == 3);
  const auto again_later = [&] {
    std::multiset<std::string> tried;
    while (auto work = f.work()) {
      for (const auto r : work->recipients) tried.emplace(work->facts->envelope.recipient(r).address);
      f.settle(*work, delayed(f.now + 10h));
      f.scheduler.session_free(work->session, f.now);
    }
    return tried;
  };
  CHECK(again_later().empty());
  f.scheduler.flush(at_site("d.mx"), f.now);
  CHECK(again_later() == std::multiset<std::string>{"a@d.mx", "b@d.mx"});
  f.scheduler.flush(one_message(one.number()), f.now);
  CHECK(again_later() == std::multiset<std::string>{"a@d.mx", "a@e.mx"});
  f.scheduler.flush(one_message(two.number()), f.now);
  CHECK(again_later() == std::multiset<std::string>{"b@d.mx"});
  f.scheduler.flush({}, f.now);
  CHECK(again_later() == std::multiset<std::string>{"a@d.mx", "a@e.mx", "b@d.mx"});
  f.scheduler.flush(at_site("unknown.example"), f.now);
  f.scheduler.flush(one_message(77), f.now);
  CHECK(again_later().empty());
}

TEST_CASE("A cancelled message leaves every queue; its attempts under way end quietly") {
  Fixture f({.connections_per_site = 1, .recipients_per_transaction = 10});
  auto& message = f.add(users(35, "d.mx"));
  f.route_all();
  f.add({"a@unresolved.dns"});
  const Work first = f.the_work();
  f.scheduler.session_established(first.session, f.now);
  f.settle(first, delayed(f.now + 1h));
  f.scheduler.session_free(first.session, f.now);
  const auto all = f.all_work();
  const auto flying = std::ranges::find(all, message.number(), &Work::message);
  REQUIRE(flying != all.end());
  f.scheduler.forget(message.number());
  CHECK(f.scheduler.load().delayed == 0);
  f.settle(*flying, again);
  f.scheduler.session_free(flying->session, f.now);
  CHECK(f.all_work().empty());
  CHECK(f.known() == 1); // the other message's
  CHECK(f.scheduler.finished(message.number()));
}

TEST_CASE("While paused only expiry and idle sessions are dealt with") {
  Fixture f({.idle = 10s});
  f.add({"a@d.mx"});
  f.route_all();
  f.complete(f.the_work());
  f.add({"b@d.mx"}, 1h);
  f.scheduler.pause(true);
  CHECK_FALSE(f.work());
  CHECK(f.scheduler.wake_at(f.now) == f.now + 10s);
  f.now += 10s;
  const Work closing = f.the_work();
  CHECK(closing.kind == Kind::close);
  f.scheduler.session_gone(closing.session, Scheduler::Gone::closed, nullptr, f.now);
  f.now += 1h;
  CHECK(f.the_work().kind == Kind::expired);
  f.scheduler.pause(false);
}
