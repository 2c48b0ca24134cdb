// The addresses to send from: which one a session has, and how their warm-up holds back what goes, and that alone.
#include "tests/agent/scheduler_fixture.h"

#include <deque>
#include <map>

using namespace bulkmail;
using namespace bulkmail::agent;
using namespace bulkmail::agent::test;
using Kind = Work::Kind;
using Cause = Scheduler::Holding::Cause;

namespace {

resolver::IpAddress address(const char* text) { return *resolver::IpAddress::parse(text); }

const auto first = address("192.0.2.101");
const auto second = address("192.0.2.102");
const auto sixth = address("2001:db8::6");

SchedulerConfig with(std::vector<SourceRule> sources) { return {.idle = 10s, .sources = std::move(sources)}; }

// Of each address, all that went: when, and how many recipients.
struct Sent {
  std::map<resolver::IpAddress, std::deque<std::pair<Monotonic, std::size_t>>> from;
  std::map<SessionId, resolver::IpAddress> sessions;
  std::size_t wakes = 0;

  [[nodiscard]] std::size_t between(const resolver::IpAddress& source, Monotonic begin, Monotonic end) const {
    std::size_t count = 0;
    const auto known = from.find(source);
    if (known == from.end()) return 0;
    for (const auto& [at, n] : known->second)
      if (at >= begin && at < end) count += n;
    return count;
  }

  // In the stretch of that length with the most.
  [[nodiscard]] std::size_t most_in(const resolver::IpAddress& source,
                                    std::chrono::milliseconds period) const {
    std::size_t most = 0;
    const auto known = from.find(source);
    if (known == from.end()) return 0;
    for (const auto& [at, n] : known->second) most = std::max(most, between(source, at, at + period));
    return most;
  }
};

// Sends until then, moving the clock by what the scheduler asks for.
void send_until(Fixture& f, Sent& sent, Monotonic end) {
  while (f.now < end) {
    f.route_all(10'000h);
    for (const auto& work : f.all_work()) {
      if (work.kind == Kind::close) {
        f.scheduler.session_gone(work.session, Scheduler::Gone::closed, nullptr, f.now);
        continue;
      }
      REQUIRE(work.source);
      if (work.kind == Kind::open) sent.sessions.insert_or_assign(work.session, *work.source);
      REQUIRE(sent.sessions.at(work.session) == *work.source); // it keeps its address
      sent.from[*work.source].emplace_back(f.now, work.recipients.size());
      f.complete(work);
    }
    const auto wake = f.scheduler.wake_at(f.now);
    REQUIRE((!wake || ++sent.wakes < 1'000'000));
    f.now = std::min(wake ? std::max(*wake, f.now) : end, end);
  }
}

void add_to(Fixture& f, std::size_t messages, const std::string& domain) {
  for (std::size_t i = 0; i < messages; ++i) f.add({fmt::format("u{}@{}", i, domain)}, 10'000h);
}

resolver::Route route_to(const std::string& domain, std::vector<resolver::IpAddress> addresses,
                         Monotonic expires) {
  auto route = make_route(domain, domain, expires);
  route.hosts.front().addresses = std::move(addresses);
  return route;
}

Cause cause_of(const Fixture& f, std::uint64_t message) {
  const auto lines = f.scheduler.holding(message);
  REQUIRE(lines.size() == 1);
  return lines.front().cause;
}

} // namespace

TEST_CASE("Sessions take turns among the addresses, and without any the system chooses") {
  Fixture f(with({{first, {}}, {second, {}}}));
  for (const char* domain : {"d.a", "d.b", "d.c", "d.d"}) f.add({std::string("u@") + domain});
  f.route_all();
  std::map<resolver::IpAddress, int> sessions;
  for (const auto& work : f.all_work()) ++sessions[work.source.value()];
  CHECK(sessions == std::map<resolver::IpAddress, int>{{first, 2}, {second, 2}});
  Fixture none;
  none.add({"u@d.mx"});
  none.route_all();
  CHECK_FALSE(none.the_work().source);
}

TEST_CASE("Each address sends its day's recipients and no more, evenly, and the rest waits") {
  const auto begin = Monotonic{} + 1h;
  Fixture f(with({{first, {{10, 24h}, {20, 24h}}}, {second, {{24, 24h}}}}));
  add_to(f, 200, "d.mx");
  Sent sent;
  send_until(f, sent, begin + 24h);
  CHECK(sent.between(first, begin, begin + 24h) == 10);
  CHECK(sent.between(second, begin, begin + 24h) == 24);
  CHECK(f.known() == 200 - 34);
  CHECK(sent.wakes < 200); // no polling
  send_until(f, sent, begin + 25h);
  // The second is warm now: all goes.
  CHECK(f.known() == 0);
  CHECK(sent.most_in(first, 24h) <= 20);
}

TEST_CASE("The next day has the next step") {
  const auto begin = Monotonic{} + 1h;
  Fixture f(with({{first, {{10, 24h}, {20, 24h}, {30, 24h}}}}));
  add_to(f, 100, "d.mx");
  Sent sent;
  send_until(f, sent, begin + 72h);
  CHECK(sent.between(first, begin, begin + 24h) == 10);
  CHECK(sent.between(first, begin + 24h, begin + 48h) == 20);
  CHECK(sent.between(first, begin + 48h, begin + 72h) == 30);
  CHECK(sent.most_in(first, 24h) <= 30);
  CHECK(sent.most_in(first, 1h) <= 2);
  send_until(f, sent, begin + 73h);
  CHECK(f.known() == 0);
}

TEST_CASE("A transaction has no more recipients than the warm-up lets go together") {
  Fixture f(with({{first, {{200, 24h}}}}));
  f.add(users(1000, "d.mx"), 1000h);
  Sent sent;
  const auto begin = f.now;
  send_until(f, sent, begin + 24h);
  for (const auto& [at, n] : sent.from[first]) CHECK(n <= 10);
  CHECK(sent.most_in(first, 24h) <= 200);
  CHECK(sent.most_in(first, 24h) >= 190);
}

TEST_CASE("Sites take turns for the room of an address, and those without mail cost nothing") {
  Fixture f(with({{first, {{48, 24h}}}}));
  for (int site = 0; site < 8; ++site) add_to(f, 20, fmt::format("d.s{}", site));
  std::map<std::string, int> sent;
  std::size_t wakes = 0;
  for (const auto end = f.now + 23h; f.now < end;) {
    f.route_all(1000h);
    for (const auto& work : f.all_work()) {
      if (work.kind == Kind::close) {
        f.scheduler.session_gone(work.session, Scheduler::Gone::closed, nullptr, f.now);
        continue;
      }
      ++sent[work.way->domain];
      f.complete(work);
    }
    const auto wake = f.scheduler.wake_at(f.now);
    REQUIRE(wake);
    REQUIRE(*wake > f.now);
    ++wakes;
    f.now = *wake;
  }
  REQUIRE(sent.size() == 8);
  for (const auto& [site, count] : sent) CHECK((count == 5 || count == 6));
  CHECK(wakes < 150); // each that goes, and its session that has been idle for long enough
}

TEST_CASE("What waits for room has that for its cause, with the time until then") {
  Fixture f(with({{first, {{24, 24h}}}}));
  const auto& one = f.add({"a@d.mx"});
  const auto& other = f.add({"b@d.mx"});
  f.route_all();
  f.complete(f.the_work());
  CHECK(f.all_work().empty());
  const auto lines = f.scheduler.holding(other.number());
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].cause == Cause::source_warmup);
  CHECK(to_string(lines[0].cause) == "source warm-up");
  CHECK(lines[0].until == f.now + 1h);
  CHECK(f.scheduler.finished(one.number()));
  // Its session grows idle and is closed; nothing else happens until then.
  CHECK(f.scheduler.wake_at(f.now) == f.now + 10s);
  f.now += 10s;
  const Work close = f.the_work();
  CHECK(close.kind == Kind::close);
  f.scheduler.session_gone(close.session, Scheduler::Gone::closed, nullptr, f.now);
  CHECK(f.scheduler.wake_at(f.now) == f.now - 10s + 1h);
}

TEST_CASE("What waits for the warm-up of an address keeps nobody who waits for all that is due") {
  Fixture f(with({{first, {{24, 24h}}}}));
  for (int i = 0; i < 4; ++i) f.add({fmt::format("u{}@d.mx{}", i, i % 2)});
  f.route_all(100h);
  CHECK_FALSE(f.scheduler.quiet());
  const Work work = f.the_work();
  CHECK_FALSE(f.scheduler.quiet());
  f.complete(work);
  CHECK(f.all_work().empty());
  CHECK(f.known() == 3);
  CHECK(f.scheduler.quiet());
  f.now += 1h;
  for (auto next = f.work(); next; next = f.work()) {
    if (next->kind != Kind::close) {
      CHECK_FALSE(f.scheduler.quiet());
      f.complete(*next);
    } else {
      f.scheduler.session_gone(next->session, Scheduler::Gone::closed, nullptr, f.now);
    }
  }
  CHECK(f.known() == 2);
  CHECK(f.scheduler.quiet());
}

TEST_CASE("Another address with room has its own session, though one of the first is idle") {
  Fixture f(with({{first, {{24, 24h}}}, {second, {{24, 24h}}}}));
  for (int i = 0; i < 3; ++i) f.add({fmt::format("u{}@d.mx", i)});
  f.route_all();
  const Work one = f.the_work();
  f.complete(one);
  auto next = f.all_work();
  while (!next.empty() && next.front().kind == Kind::close) { // the window may have room for one only
    f.scheduler.session_gone(next.front().session, Scheduler::Gone::closed, nullptr, f.now);
    next = f.all_work();
  }
  REQUIRE(next.size() == 1);
  CHECK(next[0].kind == Kind::open);
  CHECK(next[0].source != one.source);
  f.complete(next[0]);
  CHECK(f.all_work().empty());
  CHECK(cause_of(f, 3) == Cause::source_warmup);
}

TEST_CASE("An idle session is used again as soon as its address has room") {
  SchedulerConfig config = with({{first, {{24, 24h}}}});
  config.idle = 2h;
  Fixture f(config);
  for (int i = 0; i < 2; ++i) f.add({fmt::format("u{}@d.mx", i)});
  f.route_all(100h);
  const Work one = f.the_work();
  f.complete(one);
  CHECK(f.all_work().empty());
  CHECK(f.scheduler.wake_at(f.now) == f.now + 1h);
  f.now += 1h;
  const Work two = f.the_work();
  CHECK(two.kind == Kind::reuse);
  CHECK(two.session == one.session);
}

TEST_CASE("Mail for hosts of one family waits for an address of that family, others go on") {
  Fixture f(with({{first, {{24, 24h}}}, {sixth, {{24, 24h}}}}));
  f.add({"a@four.a"});
  f.add({"b@four.a"});
  f.add({"a@six.b"});
  f.add({"a@both.c"});
  while (auto domain = f.scheduler.next_wanted()) {
    std::vector<resolver::IpAddress> hosts;
    if (!domain->starts_with("six")) hosts.push_back(address("192.0.2.1"));
    if (!domain->starts_with("four")) hosts.push_back(address("2001:db8::1"));
    f.scheduler.route_found(*domain, route_to(*domain, hosts, f.now + 100h), f.now);
  }
  std::map<std::string, resolver::IpAddress> from;
  for (const auto& work : f.all_work()) {
    from[work.way->domain] = work.source.value();
    f.complete(work);
  }
  CHECK(f.all_work().empty());
  CHECK(from.size() == 2); // each address has gone once
  if (from.contains("four.a")) CHECK(from["four.a"] == first);
  if (from.contains("six.b")) CHECK(from["six.b"] == sixth);
  f.now += 1h;
  for (const auto& work : f.all_work())
    if (work.kind != Kind::close) from[work.way->domain] = work.source.value();
  CHECK(from["four.a"] == first);
  CHECK(from["six.b"] == sixth);
}

TEST_CASE("Where no address fits the hosts, the outcome is to say so: nothing is spent") {
  Fixture f(with({{sixth, {{24, 24h}}}}));
  for (int i = 0; i < 3; ++i) f.add({fmt::format("u@d{}.mx{}", i, i)});
  f.route_all();
  const auto all = f.all_work();
  REQUIRE(all.size() == 3);
  for (const auto& work : all) CHECK(work.source == sixth);
}

TEST_CASE("A warm address is not held up by one that is warmed up") {
  Fixture f(with({{first, {}}, {second, {{24, 24h}}}}));
  add_to(f, 500, "d.mx");
  Sent sent;
  send_until(f, sent, f.now + 1min);
  CHECK(f.known() == 0);
  CHECK(sent.most_in(second, 1h) <= 1);
}

TEST_CASE("A site is sent to from its own addresses, over sessions of its own") {
  SiteRule domain_rule;
  domain_rule.match = {"special.mx"};
  domain_rule.source = {second};
  SchedulerConfig config = with({{first, {}}, {second, {}}});
  config.sites = SiteRules(std::vector{domain_rule});
  Fixture f(config);
  f.add({"a@special.mx"});
  f.route_all();
  const Work special = f.the_work();
  CHECK(special.source == second);
  f.complete(special);
  f.add({"a@other.mx"}); // the same Site: it has a session, from an address that is not for this mail alone
  f.route_all();
  for (int i = 0; i < 4; ++i) {
    for (const auto& work : f.all_work()) {
      if (work.kind == Kind::close) {
        f.scheduler.session_gone(work.session, Scheduler::Gone::closed, nullptr, f.now);
        continue;
      }
      CHECK(work.session != special.session);
      f.complete(work);
    }
  }
  CHECK(f.known() == 0);
  SiteRule host_rule;
  host_rule.match = {"hosted"};
  host_rule.source = {first};
  config.sites = SiteRules(std::vector{host_rule});
  Fixture hosts(config);
  for (int i = 0; i < 6; ++i) hosts.add({fmt::format("u{}@d{}.hosted", i, i)});
  hosts.route_all();
  Sent sent;
  send_until(hosts, sent, hosts.now + 1min);
  CHECK(sent.from.size() == 1);
  CHECK(sent.from.contains(first));
}

TEST_CASE("A restart forgets nothing of a warm-up, and a crash makes it slower alone") {
  const auto begin = Monotonic{} + 1h;
  const Wall wall{500'000h};
  const auto at = [&](Monotonic mono) {
    return Now{mono, wall + std::chrono::duration_cast<milliseconds>(mono - begin)};
  };
  const bool crash = GENERATE(false, true);
  Sent sent;
  WarmupStates kept;
  Monotonic now = begin;
  for (int run = 0; now < begin + 48h; ++run) {
    Fixture f(with({{first, {{24, 24h}, {48, 24h}, {48, 24h}}}}));
    f.now = now;
    f.scheduler.restore_warmup(kept, at(now));
    add_to(f, 100, "d.mx");
    sent.sessions.clear();
    send_until(f, sent, now + 2h + run * 7min);
    now = f.now;
    kept = f.scheduler.warmup(at(now));
    if (crash) kept.at(first).wait.reset();
  }
  CHECK(sent.between(first, begin, begin + 24h) <= 24);
  CHECK(sent.most_in(first, 24h) <= 48);
  CHECK(sent.between(first, begin + 24h, begin + 48h) <= 48);
  if (crash) {
    CHECK(sent.between(first, begin, begin + 24h) >= 12);
  } else {
    CHECK(sent.between(first, begin, begin + 24h) >= 23);
  }
}

TEST_CASE("Other steps hold at once, and an address that is taken out and put back goes on where it stood") {
  Fixture f(with({{first, {{24, 24h}}}}));
  add_to(f, 100, "d.mx");
  Sent sent;
  send_until(f, sent, f.now + 30min);
  CHECK(f.known() == 99);
  auto config = with({{first, {{1440, 24h}}}});
  f.scheduler.set_config(config, f.now);
  send_until(f, sent, f.now + 29min); // what is owed is not forgotten
  CHECK(f.known() == 99);
  send_until(f, sent, f.now + 31min);
  CHECK(f.known() < 99 - 20);
  const auto left = f.known();
  f.scheduler.set_config(with({{second, {{24, 24h}}}}), f.now);
  send_until(f, sent, f.now + 30min);
  CHECK(f.known() == left - 1);
  CHECK(sent.from[second].size() == 1);
  f.scheduler.set_config(with({{first, {{24, 24h}}}, {second, {{24, 24h}}}}), f.now);
  send_until(f, sent, f.now + 29min);
  CHECK(f.known() >= left - 2);
  f.scheduler.set_config(with({{first, {}}}), f.now);
  send_until(f, sent, f.now + 1min);
  CHECK(f.known() == 0);
}

TEST_CASE("A site that is down, held or resting does not keep the room from others") {
  SiteRule slow;
  slow.match = {"slow"};
  slow.rate = Rate{1, 10h};
  SchedulerConfig config = with({{first, {{48, 24h}}}});
  config.sites = SiteRules(std::vector{slow});
  Fixture f(config);
  add_to(f, 10, "d.slow");
  add_to(f, 10, "d.held");
  add_to(f, 10, "d.good");
  f.scheduler.hold(at_site("d.held"), f.now);
  Sent sent;
  const auto begin = f.now;
  send_until(f, sent, begin + 6h);
  CHECK(sent.between(first, begin, begin + 6h) == 11); // of the slow one, one; of the good one, all
  f.scheduler.release(at_site("d.held"), f.now);
  send_until(f, sent, begin + 9h);
  CHECK(sent.between(first, begin, begin + 9h) >= 16);
}
