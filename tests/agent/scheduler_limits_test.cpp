// What [[site]] and [[sender]] entries say: limits that hold at each step, and weights.
#include "tests/agent/scheduler_fixture.h"

#include <deque>
#include <map>

using namespace bulkmail;
using namespace bulkmail::agent;
using namespace bulkmail::agent::test;
using Kind = Work::Kind;

namespace {

// By the one entry for `match`.
SchedulerConfig limited(const char* match, void (*say)(SiteRule&)) {
  SiteRule rule;
  rule.match = {match};
  say(rule);
  return {.idle = 1h, .sites = SiteRules(std::vector{rule})};
}

// Sends all there is, moving the clock by what the scheduler asks for, and looks at each stretch of `period`.
struct Sent {
  std::size_t messages = 0, recipients = 0; // in any stretch, at most
  std::size_t wakes = 0;
  Monotonic first{}, last{};
};

Sent send_all(Fixture& f, const std::string& domain, std::chrono::milliseconds period) {
  Sent sent;
  std::deque<std::pair<Monotonic, std::size_t>> recent;
  while (f.known() > 0) {
    f.route_all(1000h);
    for (const auto& work : f.all_work()) {
      if (work.kind == Kind::close) {
        f.scheduler.session_gone(work.session, Scheduler::Gone::closed, nullptr, f.now);
        continue;
      }
      f.complete(work);
      if (work.way->domain != domain) continue;
      if (sent.first == Monotonic{}) sent.first = f.now;
      sent.last = f.now;
      recent.emplace_back(f.now, work.recipients.size());
      while (recent.front().first + period <= f.now) recent.pop_front();
      std::size_t recipients = 0;
      for (const auto& [at, count] : recent) recipients += count;
      sent.messages = std::max(sent.messages, recent.size());
      sent.recipients = std::max(sent.recipients, recipients);
    }
    if (f.known() == 0) break;
    const auto wake = f.scheduler.wake_at(f.now);
    REQUIRE(wake);
    REQUIRE(++sent.wakes < 100'000);
    f.now = std::max(*wake, f.now);
  }
  return sent;
}

} // namespace

TEST_CASE("A site's rate of messages is never exceeded, and what may go goes at once") {
  Fixture f(limited("mx", [](SiteRule& rule) { rule.rate = Rate{10, 1min}; }));
  for (int i = 0; i < 61; ++i) f.add({fmt::format("a{}@d.mx", i)});
  const Sent sent = send_all(f, "d.mx", 1min);
  CHECK(sent.messages == 10);
  CHECK(sent.last - sent.first == 6min);
  CHECK(sent.wakes < 200); // no polling
}

TEST_CASE("A site's rate of recipients is never exceeded, however large the transactions could be") {
  Fixture f(limited("mx", [](SiteRule& rule) { rule.recipient_rate = Rate{200, 1min}; }));
  f.add(users(1000, "d.mx"));
  const Sent sent = send_all(f, "d.mx", 1min);
  CHECK(sent.recipients <= 200);
  CHECK(sent.recipients >= 180);
  CHECK(sent.last - sent.first <= 6min);
}

TEST_CASE("A recipient domain's rate holds back that domain alone") {
  Fixture f(limited("slow.mx", [](SiteRule& rule) { rule.rate = Rate{10, 1min}; }));
  for (int i = 0; i < 31; ++i) {
    f.add({fmt::format("a{}@slow.mx", i)});
    f.add({fmt::format("a{}@fast.mx", i)});
  }
  const auto began = f.now;
  std::map<std::string, std::size_t> at_once;
  f.route_all(1000h);
  for (int i = 0; i < 100; ++i) {
    for (const auto& work : f.all_work()) {
      ++at_once[work.way->domain];
      f.complete(work);
    }
  }
  CHECK(at_once["fast.mx"] == 31);
  CHECK(at_once["slow.mx"] == 1);
  CHECK(f.scheduler.wake_at(f.now) == began + 6s);
  const Sent sent = send_all(f, "slow.mx", 1min);
  CHECK(sent.messages == 10);
  CHECK(f.now - began == 3min);
}

TEST_CASE("A held message does not hold up those behind it at a domain with a rate") {
  Fixture f(limited("slow.mx", [](SiteRule& rule) { rule.rate = Rate{10, 1min}; }));
  for (int i = 0; i < 3; ++i) f.add({fmt::format("a{}@slow.mx", i)});
  f.route_all(1000h);
  f.complete(f.the_work());
  f.scheduler.hold(one_message(2), f.now);
  CHECK(f.all_work().empty());
  f.now += 6s;
  CHECK(f.the_work().message == 3);
}

TEST_CASE("A site's own limit of sessions takes the place of the general one") {
  Fixture f(limited("mx", [](SiteRule& rule) { rule.connections = 2; }));
  f.add(users(10'000, "d.mx"));
  f.route_all();
  std::vector<Work> busy = f.all_work();
  for (int i = 0; i < 40 && !busy.empty(); ++i) {
    f.complete(busy.front());
    busy.erase(busy.begin());
    for (auto& work : f.all_work()) busy.push_back(std::move(work));
    REQUIRE(f.scheduler.load().sessions <= 2);
  }
  CHECK(busy.size() == 2);
}

TEST_CASE("New limits hold at once, and lifted ones too") {
  Fixture f(limited("mx", [](SiteRule& rule) { rule.rate = Rate{1, 1h}; }));
  for (int i = 0; i < 5; ++i) f.add({fmt::format("a{}@d.mx", i)});
  f.route_all(1000h);
  f.complete(f.the_work());
  CHECK(f.all_work().empty());
  f.scheduler.set_config({.idle = 1h}, f.now);
  CHECK_FALSE(f.all_work().empty());
}

TEST_CASE("Senders share a site by weight") {
  const std::vector<SenderRule> rules{{.match = {"vip@example.org"}, .weight = 3}};
  Fixture f({.connections_per_site = 1, .senders = SenderRules(rules)});
  const auto add = [&](std::uint64_t number, const char* sender) {
    spool::EnvelopeBuilder builder;
    builder.sender(sender);
    for (const auto& address : users(50'000, "d.mx")) builder.recipient(address);
    spool::MessageFacts facts;
    facts.number = number;
    facts.id = fmt::format("m{}", number);
    facts.envelope = builder.take();
    Consignment consignment{spool::PackedFacts(std::make_shared<const spool::MessageFacts>(facts))};
    consignment.recipients = sort_by_domain(facts.envelope);
    consignment.until = f.now + 100h;
    f.scheduler.add(std::move(consignment), f.now);
  };
  add(1, "bulk@example.org");
  add(2, "vip@example.org");
  f.route_all();
  std::map<std::uint64_t, int> sent;
  for (int i = 0; i < 400; ++i) {
    const Work work = f.the_work();
    ++sent[work.message];
    f.complete(work);
  }
  CHECK(sent[2] == 300);
  CHECK(sent[1] == 100);
}

TEST_CASE("A recipient domain's connections are as many transactions of it at once, and other domains don't "
          "notice") {
  Fixture f(limited("few.mx", [](SiteRule& rule) { rule.connections = 2; }));
  f.add(users(3000, "few.mx"));
  for (int i = 0; i < 30; ++i) f.add({fmt::format("a{}@few.mx", i)});
  f.add(users(3000, "many.mx"));
  f.route_all(1000h);
  std::deque<Work> busy;
  std::map<std::string, int> at_once, done_of;
  const auto take = [&] {
    for (auto& work : f.all_work()) {
      if (work.kind == Kind::close) {
        f.scheduler.session_gone(work.session, Scheduler::Gone::closed, nullptr, f.now);
        continue;
      }
      REQUIRE((++at_once[work.way->domain] <= 2 || work.way->domain == "many.mx"));
      busy.push_back(std::move(work));
    }
  };
  int most = 0;
  for (take(); !busy.empty(); take()) {
    most = std::max(most, at_once["many.mx"]);
    const Work work = std::move(busy.front());
    busy.pop_front();
    --at_once[work.way->domain];
    ++done_of[work.way->domain];
    f.complete(work);
  }
  CHECK(most > 2);
  CHECK(done_of["few.mx"] == 60);
  CHECK(done_of["many.mx"] == 30);
  CHECK(f.known() == 0);
}

namespace {

// A message of a sender's to one domain.
void add_from(Fixture& f, const std::string& sender, const std::vector<std::string>& recipients) {
  spool::EnvelopeBuilder builder;
  builder.sender(sender);
  for (const auto& address : recipients) builder.recipient(address);
  spool::MessageFacts facts;
  facts.number = f.messages.size() + 1;
  facts.id = fmt::format("m{}", facts.number);
  facts.envelope = builder.take();
  f.messages.push_back(std::make_unique<spool::Message>(std::move(facts), Wall{}));
  put(f.scheduler, *f.messages.back(), f.now + 120h, f.now);
}

SchedulerConfig sender_limited(Rate rate) {
  SiteRule rule;
  rule.match = {"mx"};
  rule.sender = {"bulk.example"};
  rule.rate = rate;
  return {.idle = 100h, .sites = SiteRules(std::vector{rule})};
}

} // namespace

TEST_CASE("A sender domain's rate at a site holds back its mail there alone, and is never exceeded") {
  Fixture f(sender_limited({10, 1min}));
  for (int i = 0; i < 31; ++i) {
    add_from(f, "news@bulk.example", {fmt::format("a{}@d.mx", i)});
    add_from(f, "ann@example.org", {fmt::format("a{}@d.mx", i)});
    add_from(f, "news@bulk.example", {fmt::format("a{}@d.other", i)});
  }
  const auto began = f.now;
  f.route_all(1000h);
  std::map<std::pair<std::string, std::string>, std::size_t> sent;
  std::deque<Monotonic> slow;
  int wakes = 0;
  while (f.known() > 0) {
    for (const auto& work : f.all_work()) {
      if (work.kind == Kind::close) {
        f.scheduler.session_gone(work.session, Scheduler::Gone::closed, nullptr, f.now);
        continue;
      }
      const std::string sender(work.facts->envelope.sender());
      ++sent[{sender, work.way->domain}];
      if (sender == "news@bulk.example" && work.way->domain == "d.mx") {
        slow.push_back(f.now);
        while (slow.front() + 1min <= f.now) slow.pop_front();
        REQUIRE(slow.size() <= 10);
      }
      f.complete(work);
    }
    if (f.now == began && f.scheduler.wake_at(f.now) > f.now) {
      CHECK(sent[{"ann@example.org", "d.mx"}] == 31);
      CHECK(sent[{"news@bulk.example", "d.other"}] == 31);
      CHECK(sent[{"news@bulk.example", "d.mx"}] == 1);
    }
    if (f.known() == 0) break;
    const auto wake = f.scheduler.wake_at(f.now);
    REQUIRE(wake);
    REQUIRE(++wakes < 500); // no polling
    f.now = std::max(*wake, f.now);
  }
  CHECK(f.now - began == 3min);
  CHECK(sent[{"news@bulk.example", "d.mx"}] == 31);
}

TEST_CASE("What waits for its sender's rate can be held, cancelled, forgotten, and be freed by new limits") {
  Fixture f(sender_limited({1, 1h}));
  for (int i = 0; i < 6; ++i) add_from(f, "news@bulk.example", {fmt::format("a{}@d.mx", i)});
  f.route_all(1000h);
  f.complete(f.the_work());
  CHECK(f.all_work().empty());
  CHECK(f.scheduler.wake_at(f.now) == f.now + 1h);
  CHECK(f.known() == 5);
  f.scheduler.cancel(one_message(2), f.now);
  const Work cancelled = f.the_work();
  CHECK(cancelled.kind == Kind::cancelled);
  f.settle(cancelled, done);
  f.scheduler.forget(3);
  f.scheduler.hold(one_message(4), f.now);
  CHECK(f.known() == 3);
  CHECK(f.all_work().empty());
  f.now += 1h;
  const Work next = f.the_work();
  CHECK(next.message == 5);
  f.complete(next);
  CHECK(f.all_work().empty());
  f.config.sites = {};
  f.scheduler.set_config(f.config, f.now);
  f.complete(f.the_work()); // message 6
  f.scheduler.release(one_message(4), f.now);
  f.complete(f.the_work());
  CHECK(f.known() == 0);
}
