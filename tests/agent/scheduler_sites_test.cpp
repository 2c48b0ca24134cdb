// What a Site is: its hosts, whatever it is called, or the group that the configuration joins them to.
#include "tests/agent/scheduler_fixture.h"

#include <map>
#include <set>

using namespace bulkmail;
using namespace bulkmail::agent;
using namespace bulkmail::agent::test;
using Kind = Work::Kind;

namespace {

// The hosts below "olc" are one Site, of so many sessions.
SchedulerConfig grouped(std::optional<std::uint32_t> connections = {}) {
  SiteRule rule;
  rule.match = {"*.olc"};
  rule.group = "outlook";
  rule.connections = connections;
  return {.idle = 1h, .sites = SiteRules(std::vector{rule})};
}

std::set<std::string> site_names(const Fixture& f) {
  std::set<std::string> names;
  for (const auto& view : f.scheduler.sites()) names.insert(view.site);
  return names;
}

} // namespace

TEST_CASE("Sites that print alike are not one") {
  Fixture f;
  f.add({"ann@d1.example", "bob@d2.example"});
  std::vector<resolver::MxData> hosts;
  for (std::uint16_t i = 0; i < 9; ++i) hosts.push_back({10, fmt::format("mx{}", i)});
  std::set<std::string> names;
  while (auto domain = f.scheduler.next_wanted()) {
    hosts.back().exchange = "spare." + *domain;
    auto route = make_route(*domain, "mx0", f.now + 1h);
    auto site = resolver::site_of(hosts);
    route.site_key = site.key;
    route.site = site.name;
    names.insert(site.name);
    f.scheduler.route_found(*domain, route, f.now);
  }
  CHECK(names.size() == 1);
  CHECK(count_of(f.all_work(), Kind::open) == 2);
  CHECK(f.scheduler.sites().size() == 2);
}

TEST_CASE("A group's sites are one, with one limit, and share sessions only where the hosts are the same") {
  Fixture f(grouped(3));
  std::vector<std::string> all;
  for (int host = 0; host < 4; ++host) {
    for (int i = 0; i < 50; ++i) all.push_back(fmt::format("u{}@d{}.h{}.olc", i, i % 5, host));
  }
  for (const auto& address : all) f.add({address});
  f.route_all();
  std::map<SessionId, std::string> host_of;
  std::vector<Work> busy;
  std::size_t most = 0;
  for (int steps = 0; f.known() > 0; ++steps) {
    REQUIRE(steps < 10'000);
    for (auto& work : f.all_work()) {
      if (work.kind == Kind::close) {
        f.scheduler.session_gone(work.session, Scheduler::Gone::closed, nullptr, f.now);
        continue;
      }
      const std::string& host = work.way->hosts.front().name;
      if (work.kind == Kind::open) {
        host_of[work.session] = host;
      } else {
        REQUIRE(host_of.at(work.session) == host);
      }
      busy.push_back(std::move(work));
    }
    CHECK(site_names(f) == std::set<std::string>{"outlook"});
    most = std::max<std::size_t>(most, f.scheduler.load().sessions);
    f.now += 100ms;
    if (busy.empty()) continue;
    f.complete(busy.front());
    busy.erase(busy.begin());
  }
  CHECK(most == 3);
}

TEST_CASE(
    "A host of a group does not wait for as long as another's idle sessions live, or another has mail") {
  Fixture f(grouped(1));
  const auto until_served = [&](spool::Message& wanted) {
    const auto began = f.now;
    std::vector<Work> busy;
    while (!f.scheduler.finished(wanted.number())) {
      for (auto& work : f.all_work()) {
        if (work.kind == Kind::close) {
          f.scheduler.session_gone(work.session, Scheduler::Gone::closed, nullptr, f.now);
        } else {
          busy.push_back(std::move(work));
        }
      }
      if (!busy.empty()) f.complete(busy.front());
      if (!busy.empty()) busy.erase(busy.begin());
      f.now += 100ms;
      REQUIRE(f.now - began < 1min);
    }
    return f.now - began;
  };
  f.add({"ann@d.a.olc"});
  f.route_all();
  f.complete(f.the_work());
  auto& second = f.add({"bob@d.b.olc"}); // the session to a.olc is idle, and may be for an hour
  f.route_all();
  CHECK(until_served(second) <= 1s);

  f.add(users(100'000, "d.b.olc"));
  f.route_all();
  auto& third = f.add({"cid@d.c.olc"});
  f.route_all();
  CHECK(until_served(third) <= 4s);
}

TEST_CASE("A domain with a spare host elsewhere does not belong to the group") {
  Fixture f(grouped());
  f.add({"ann@d.a.olc", "bob@d.mx"});
  while (auto domain = f.scheduler.next_wanted()) {
    auto route = make_route(*domain, "a.olc", f.now + 1h);
    if (*domain == "d.mx") {
      route.hosts.push_back(make_route(*domain, "spare", {}).hosts.front());
      auto site = resolver::site_of(std::vector<resolver::MxData>{{10, "a.olc"}, {20, "spare"}});
      route.site_key = site.key;
      route.site = site.name;
    }
    f.scheduler.route_found(*domain, route, f.now);
  }
  CHECK(site_names(f) == std::set<std::string>{"outlook", "10 a.olc,20 spare"});
}

TEST_CASE("New groups take the mail that waits along, in its turn, and old ones let it go") {
  Fixture f({.idle = 1h});
  f.add({"a@d.a.olc"});
  f.add({"b@d.b.olc"});
  f.route_all();
  const auto open = f.all_work();
  REQUIRE(open.size() == 2);
  f.add({"c@d.a.olc"});
  f.add({"d@d.b.olc"});
  f.scheduler.set_config(grouped(1), f.now);
  CHECK(site_names(f).contains("outlook"));
  // The old Sites' sessions end as they have no mail any more; what waited goes over the group's one.
  for (const auto& work : open) f.complete(work);
  std::size_t of_group = 0;
  for (int i = 0; i < 100 && f.known() > 0; ++i) {
    for (const auto& work : f.all_work()) {
      if (work.kind == Kind::close) {
        f.scheduler.session_gone(work.session, Scheduler::Gone::closed, nullptr, f.now);
      } else {
        of_group += work.kind == Kind::open;
        f.complete(work);
      }
    }
    f.now += 100ms;
  }
  CHECK(f.known() == 0);
  CHECK(of_group == 2);

  f.scheduler.set_config({.idle = 1h}, f.now);
  f.add({"e@d.a.olc"});
  CHECK(f.the_work().way->site == "10 a.olc");
}

TEST_CASE("A group is held by its name, and one of its hosts by that host's") {
  Fixture f(grouped());
  f.add({"ann@d.a.olc"});
  f.add({"bob@d.b.olc"});
  f.scheduler.hold(at_site("outlook"), f.now);
  f.route_all();
  CHECK(f.all_work().empty());
  CHECK(f.scheduler.load().held == 2);
  f.scheduler.hold(at_site("b.olc"), f.now); // where the last route led
  f.scheduler.release(at_site("outlook"), f.now);
  const Work work = f.the_work();
  CHECK(work.way->domain == "d.a.olc");
  f.complete(work);
  for (const auto& closed : f.all_work()) {
    REQUIRE(closed.kind == Kind::close);
    f.scheduler.session_gone(closed.session, Scheduler::Gone::closed, nullptr, f.now);
  }
  CHECK(f.all_work().empty());
  CHECK(f.scheduler.load().held == 1);
  f.scheduler.release(at_site("b.olc"), f.now);
  bool reached = false;
  for (const auto& next : f.all_work()) reached = reached || (next.way && next.way->domain == "d.b.olc");
  CHECK(reached);
}

TEST_CASE("What one lane's hosts could not prove holds up no other lane of the Site") {
  Fixture f(grouped());
  f.add({"ann@d1.h1.olc"});
  f.add({"bob@d2.h2.olc"});
  f.route_all();
  const Work first = f.the_work(); // the Site has one place until it has answered
  f.settle(first, delayed(f.now + 5min));
  f.scheduler.session_gone(first.session, Gone::insecure, Fixture::no_answer(), f.now);
  const Work second = f.the_work();
  CHECK(second.kind == Kind::open);
  CHECK(second.message != first.message);
  f.complete(second);
}

TEST_CASE("A Site of one lane whose hosts could not prove what is asked waits as one") {
  Fixture f;
  f.add({"ann@d1.mx"});
  f.add({"bob@d1.mx"});
  f.route_all();
  const Work work = f.the_work();
  f.settle(work, delayed(f.scheduler.site_due(work.session, f.now)));
  f.scheduler.session_gone(work.session, Gone::insecure, Fixture::no_answer(), f.now);
  CHECK(f.the_work().kind == Kind::site_down);
}
