#include "agent/queue/host_walk.h"
#include "tests/agent/scheduler_fixture.h"

#include <set>

using namespace bulkmail;
using namespace bulkmail::agent;
using namespace std::chrono_literals;
using resolver::IpAddress;
using transport::Stage;
using transport::Trouble;

namespace {

struct Walk {
  bulkmail::test::SeededDice dice{3};
  HostHealth health;
  Monotonic now = Monotonic{} + 1h;
  resolver::Route route;

  void host(const std::string& name, std::uint16_t preference, const std::vector<std::string>& addresses) {
    resolver::MailHost host{name, preference, {}};
    for (const auto& address : addresses) host.addresses.push_back(*IpAddress::parse(address));
    route.hosts.push_back(host);
  }

  HostWalk begin() { return HostWalk(route, dice, health, now); }
};

std::string where(const HostWalk::Candidate& candidate) {
  return candidate.host->name + " " + candidate.address.to_string();
}

transport::Peer peer(const HostWalk::Candidate& candidate) {
  return {candidate.host->name, candidate.address.to_string(), 25};
}

Trouble no_connection(Trouble::Kind kind) { return {kind, Stage::connect, std::nullopt, "no connection"}; }

Trouble refused(int code) {
  transport::Reply reply;
  reply.code = code;
  reply.lines = {"go away"};
  return {Trouble::Kind::refused, Stage::greeting, reply, "refused"};
}

std::vector<std::string> whole(HostWalk walk, Monotonic now) {
  std::vector<std::string> order;
  while (const auto candidate = walk.next()) {
    order.push_back(where(*candidate));
    walk.failed(no_connection(Trouble::Kind::lost), peer(*candidate), now);
  }
  return order;
}

} // namespace

TEST_CASE("Hosts come by preference, addresses with the families in turn, IPv6 first") {
  Walk w;
  w.host("mx1", 10, {"192.0.2.1", "192.0.2.2", "192.0.2.3", "2001:db8::1", "2001:db8::2"});
  w.host("mx2", 20, {"192.0.2.9"});
  CHECK(whole(w.begin(), w.now) == std::vector<std::string>{"mx1 2001:db8::1", "mx1 192.0.2.1",
                                                            "mx1 2001:db8::2", "mx1 192.0.2.2",
                                                            "mx1 192.0.2.3", "mx2 192.0.2.9"});
}

TEST_CASE("Hosts of equal preference are drawn anew for each session") {
  Walk w;
  for (int i = 0; i < 4; ++i) w.host(fmt::format("mx{}", i), 10, {fmt::format("192.0.2.{}", i)});
  std::set<std::string> first;
  for (int i = 0; i < 100; ++i) first.insert(where(*w.begin().next()));
  CHECK(first.size() == 4);
}

TEST_CASE("A session tries twenty addresses at most, and leaves room for every host") {
  Walk w;
  for (int h = 0; h < 30; ++h) {
    std::vector<std::string> addresses;
    for (int a = 0; a < 30; ++a) addresses.push_back(fmt::format("192.0.{}.{}", h, a));
    w.host(fmt::format("mx{}", h), static_cast<std::uint16_t>(h), addresses);
  }
  const auto order = whole(w.begin(), w.now);
  CHECK(order.size() == 20);
  CHECK(order.back().starts_with("mx9 "));
}

TEST_CASE("Black-holed IPv6 costs ten seconds at most") {
  Walk w;
  w.host("mx1", 10, {"2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8::4"});
  w.host("mx2", 20, {"2001:db8::5", "192.0.2.5"});
  auto walk = w.begin();
  milliseconds spent{};
  for (;;) {
    const auto candidate = walk.next();
    REQUIRE(candidate);
    if (candidate->address.family == IpAddress::Family::v4) break;
    spent += walk.connect_timeout(30s);
    walk.failed(no_connection(Trouble::Kind::timeout), peer(*candidate), w.now);
  }
  CHECK(spent == 10s);
  walk.succeeded(w.now);
}

TEST_CASE("A connect has its whole time when no other family is left, and never more than was configured") {
  Walk w;
  w.host("mx1", 10, {"2001:db8::1", "192.0.2.1"});
  auto walk = w.begin();
  REQUIRE(walk.next());
  CHECK(walk.connect_timeout(30s) == 5s);
  CHECK(walk.connect_timeout(2s) == 2s);
  REQUIRE(walk.next());
  CHECK(walk.connect_timeout(30s) == 30s);
}

TEST_CASE("An address that could not be reached is tried last for five minutes, or until it answers") {
  Walk w;
  w.host("mx1", 10, {"192.0.2.1"});
  w.host("mx2", 20, {"192.0.2.2"});
  auto walk = w.begin();
  const auto bad = walk.next();
  walk.failed(no_connection(Trouble::Kind::timeout), peer(*bad), w.now);
  CHECK(where(*w.begin().next()) == "mx2 192.0.2.2");
  SECTION("five minutes") {
    w.now += 5min;
    CHECK(where(*w.begin().next()) == "mx1 192.0.2.1");
  }
  SECTION("it answers") {
    auto second = w.begin();
    REQUIRE(second.next());
    REQUIRE(second.next());
    second.succeeded(w.now);
    CHECK(where(*w.begin().next()) == "mx1 192.0.2.1");
  }
}

TEST_CASE("A host that greets with an error was reached") {
  Walk w;
  w.host("mx1", 10, {"192.0.2.1"});
  w.host("mx2", 20, {"192.0.2.2"});
  auto walk = w.begin();
  const auto candidate = walk.next();
  walk.failed(refused(421), peer(*candidate), w.now);
  CHECK(where(*w.begin().next()) == "mx1 192.0.2.1");
}

TEST_CASE("Every host refused for good: that is final; any doubt, and it is not") {
  Walk w;
  w.host("mx1", 10, {"2001:db8::1", "192.0.2.1"});
  w.host("mx2", 20, {"192.0.2.2"});
  auto walk = w.begin();
  auto candidate = walk.next();
  SECTION("a 5yz holds for all addresses of the host") {
    walk.failed(refused(554), peer(*candidate), w.now);
    candidate = walk.next();
    CHECK(candidate->host->name == "mx2");
    walk.failed(refused(521), peer(*candidate), w.now);
    CHECK_FALSE(walk.next());
    CHECK(walk.summary().every_host_refused);
    CHECK(walk.summary().trouble.reply->code == 521);
    CHECK(walk.summary().peer.host == "mx2");
  }
  SECTION("an address that leads nowhere is no doubt if the host answered at another") {
    walk.failed(no_connection(Trouble::Kind::timeout), peer(*candidate), w.now);
    walk.failed(refused(554), peer(*walk.next()), w.now);
    walk.failed(refused(554), peer(*walk.next()), w.now);
    CHECK(walk.summary().every_host_refused);
  }
  SECTION("one says 4yz") {
    walk.failed(refused(554), peer(*candidate), w.now);
    walk.failed(refused(421), peer(*walk.next()), w.now);
    CHECK_FALSE(walk.summary().every_host_refused);
  }
  SECTION("one is not reached") {
    walk.failed(refused(554), peer(*candidate), w.now);
    walk.failed(no_connection(Trouble::Kind::lost), peer(*walk.next()), w.now);
    CHECK_FALSE(walk.summary().every_host_refused);
  }
  SECTION("one was not asked") {
    walk.failed(refused(554), peer(*candidate), w.now);
    CHECK_FALSE(walk.summary().every_host_refused);
  }
}

TEST_CASE("The most telling failure is told: a reply before a lost session before no connection") {
  Walk w;
  for (int i = 0; i < 4; ++i)
    w.host(fmt::format("mx{}", i), static_cast<std::uint16_t>(i), {fmt::format("192.0.2.{}", i)});
  auto walk = w.begin();
  walk.failed(no_connection(Trouble::Kind::lost), peer(*walk.next()), w.now);
  CHECK(walk.summary().peer.host == "mx0");
  walk.failed(refused(421), peer(*walk.next()), w.now);
  walk.failed({Trouble::Kind::lost, Stage::greeting, std::nullopt, "lost"}, peer(*walk.next()), w.now);
  walk.failed(no_connection(Trouble::Kind::timeout), peer(*walk.next()), w.now);
  CHECK(walk.summary().peer.host == "mx1");
  CHECK(walk.summary().trouble.reply->code == 421);
}

TEST_CASE("A host whose pipelining is broken is remembered for a day") {
  HostHealth health;
  const Monotonic now = Monotonic{} + 1h;
  health.remember_broken_pipelining("mx1", now);
  health.forget_old(now + 23h);
  CHECK(health.pipelining_broken("mx1"));
  CHECK_FALSE(health.pipelining_broken("mx2"));
  health.forget_old(now + 24h);
  CHECK_FALSE(health.pipelining_broken("mx1"));
}

TEST_CASE("What is remembered of hosts is bounded, the newest stays") {
  HostHealth health;
  const Monotonic now = Monotonic{} + 1h;
  for (std::size_t i = 0; i < HostHealth::max_entries + 5; ++i) {
    health.remember_broken_pipelining(fmt::format("mx{}", i), now);
  }
  CHECK_FALSE(health.pipelining_broken("mx4"));
  CHECK(health.pipelining_broken("mx5"));
  CHECK(health.pipelining_broken(fmt::format("mx{}", HostHealth::max_entries + 4)));
}

TEST_CASE("A memory that is renewed lasts from then") {
  HostHealth health;
  const Monotonic now = Monotonic{} + 1h;
  const auto address = *IpAddress::parse("192.0.2.1");
  health.remember_unreachable(address, now);
  health.remember_unreachable(address, now + 4min);
  health.forget_old(now + 5min);
  CHECK(health.unreachable(address));
  health.forget_old(now + 9min);
  CHECK_FALSE(health.unreachable(address));
}

TEST_CASE("From a local address only addresses of its family are tried") {
  Walk w;
  w.host("mx1", 10, {"192.0.2.1", "2001:db8::1"});
  HostWalk four(w.route, w.dice, w.health, w.now, IpAddress::Family::v4);
  CHECK(whole(four, w.now) == std::vector<std::string>{"mx1 192.0.2.1"});
  w.route.hosts.clear();
  w.host("mx2", 10, {"2001:db8::2"});
  HostWalk none(w.route, w.dice, w.health, w.now, IpAddress::Family::v4);
  CHECK_FALSE(none.next());
  CHECK(none.summary().trouble.text == "no mail host has an address of the family that is sent from");
  CHECK_FALSE(none.summary().every_host_refused);
}
