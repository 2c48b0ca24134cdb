#include "fake_dns.h"
#include "resolver/answer/answer.h"

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <map>

using namespace bulkmail::resolver;
using namespace bulkmail::resolver::fake;

namespace {

std::string shown(const RouteAnswer& answer) {
  if (!answer) {
    const RouteFailure& failure = answer.error();
    return fmt::format("{} {}{}", failure.permanent ? "F" : "D", failure.status,
                       failure.policy ? " policy" : "");
  }
  std::string text;
  for (const MailHost& host : answer->hosts) {
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", host.preference, host.name);
    for (const IpAddress& address : host.addresses) text += " " + address.to_string();
  }
  return text;
}

constexpr unsigned servfail = 2;

} // namespace

TEST_CASE("a domain's mail hosts come in order of preference with the addresses of both families") {
  Records records;
  records.mx("d1.example", 20, "mx2.d1.example").mx("d1.example", 10, "mx1.d1.example");
  records.address("mx1.d1.example", "192.0.2.1").address("mx1.d1.example", "2001:db8::1");
  records.address("mx2.d1.example", "192.0.2.2");
  Driver driver(records);
  const auto route = driver.route("d1.example");
  CHECK(shown(route) == "10 mx1.d1.example 192.0.2.1 2001:db8::1, 20 mx2.d1.example 192.0.2.2");
  CHECK(route->domain == "d1.example");
  CHECK(route->site == "10 mx1.d1.example,20 mx2.d1.example");
  CHECK_FALSE(route->implicit);
  CHECK(route->remarks.empty());
  CHECK(driver.sent.size() == 5);
}

TEST_CASE("a family that is turned off is not asked for") {
  Records records;
  records.mx("d1.example", 10, "mx1.d1.example").address("mx1.d1.example", "192.0.2.1");
  auto without = config();
  without.ipv6 = false;
  Driver driver(records, without);
  CHECK(shown(driver.route("d1.example")) == "10 mx1.d1.example 192.0.2.1");
  CHECK(driver.asked("mx1.d1.example", Type::aaaa) == 0);
}

TEST_CASE("the domain is asked for in its canonical form and answered by the name it was wanted by") {
  Records records;
  records.mx("xn--bcher-kva.example", 10, "mx1.d1.example").address("mx1.d1.example", "192.0.2.1");
  Driver driver(records);
  CHECK(driver.route("Bücher.example")->domain == "xn--bcher-kva.example");
}

TEST_CASE("two domains with the same MX set have the same site, others have not") {
  Records records;
  records.mx("d1.example", 10, "mx1.host.example").mx("d1.example", 20, "mx2.host.example");
  records.mx("d2.example", 20, "mx2.host.example").mx("d2.example", 10, "mx1.host.example");
  records.mx("d3.example", 10, "mx2.host.example").mx("d3.example", 20, "mx1.host.example");
  records.mx("d4.example", 10, "mx1.host.example");
  records.mx("d5.example", 0, "d6.example").address("d6.example", "192.0.2.6");
  records.address("mx1.host.example", "192.0.2.1").address("mx2.host.example", "192.0.2.2");
  Driver driver(records);
  const auto site = driver.route("d1.example")->site_key;
  CHECK(driver.route("d2.example")->site_key == site);
  CHECK(driver.route("d3.example")->site_key != site);
  CHECK(driver.route("d4.example")->site_key != site);
  CHECK(driver.asked("mx1.host.example", Type::a) == 1); // hosts are shared
  // An implicit MX is the MX 0 that it stands for (RFC 5321 §5.1).
  CHECK(driver.route("d6.example")->site_key == driver.route("d5.example")->site_key);
}

TEST_CASE("a long site is cut short in its name and not in its identity") {
  std::vector<MxData> hosts;
  for (std::uint16_t i = 0; i < 6; ++i) hosts.push_back({10, "mx" + std::to_string(i) + ".example"});
  const auto site = site_of(hosts);
  CHECK(site.name == "10 mx0.example,10 mx1.example,10 mx2.example,10 mx3.example and 2 more");
  std::ranges::reverse(hosts);
  CHECK(site_of(hosts).key == site.key);
  hosts.front().exchange = "mx9.example";
  CHECK(site_of(hosts).name == site.name);
  CHECK(site_of(hosts).key != site.key);
}

TEST_CASE("a site stays the same while some of its hosts are in doubt") {
  Records records;
  records.mx("d1.example", 10, "mx1.d1.example").mx("d1.example", 20, "mx2.d1.example");
  records.address("mx1.d1.example", "192.0.2.1").address("mx2.d1.example", "192.0.2.2");
  Driver good(records);
  const auto site = good.route("d1.example")->site_key;
  records.broken["mx1.d1.example"] = servfail;
  Driver bad(records);
  CHECK(bad.route("d1.example")->site_key == site);
}

TEST_CASE("no such domain fails at once and for good") {
  Records records;
  Driver driver(records);
  const auto answer = driver.route("nowhere.example");
  CHECK(shown(answer) == "F 5.1.2");
  CHECK(answer.error().text == "no such domain nowhere.example");
  CHECK(answer.error().until == driver.now + 60s);
}

TEST_CASE("a domain without MX but with an address is its own mail host") {
  Records records;
  records.address("d1.example", "192.0.2.1").address("d1.example", "2001:db8::1");
  Driver driver(records);
  const auto route = driver.route("d1.example");
  CHECK(shown(route) == "0 d1.example 192.0.2.1 2001:db8::1");
  CHECK(route->implicit);
}

TEST_CASE("a domain that has neither MX nor address fails") {
  Records records;
  records.names.insert("d1.example");
  Driver driver(records);
  CHECK(shown(driver.route("d1.example")) == "F 5.4.4");
}

TEST_CASE("a domain without MX whose address is in doubt is delayed") {
  const auto server = [](const Sent& sent) {
    if (sent.asked.type == Type::a) return std::vector{Reply(sent.asked).rcode(servfail).bytes()};
    return std::vector{Reply(sent.asked).soa("example", 60, 60).bytes()};
  };
  Driver driver(server);
  CHECK(shown(driver.route("d1.example")) == "D 4.4.3");
}

TEST_CASE("a null MX says that the domain takes no mail") {
  Records records;
  records.mx("d1.example", 0, ".");
  records.mx("d2.example", 0, ".")
      .mx("d2.example", 10, "mx1.d2.example")
      .address("mx1.d2.example", "192.0.2.1");
  Driver driver(records);
  CHECK(shown(driver.route("d1.example")) == "F 5.1.10");
  CHECK(shown(driver.route("d2.example")) ==
        "10 mx1.d2.example 192.0.2.1"); // RFC 7505 §3: not a null MX then
}

TEST_CASE("a domain that is an alias is followed to its MX") {
  Records records;
  records.cname("d1.example", "d2.example").cname("d2.example", "d3.example");
  records.mx("d3.example", 10, "mx1.d3.example").address("mx1.d3.example", "192.0.2.1");
  SECTION("the server gives the whole chain") {
    Driver driver(records);
    CHECK(shown(driver.route("d1.example")) == "10 mx1.d3.example 192.0.2.1");
    CHECK(driver.asked("d3.example", Type::mx) == 0);
  }
  SECTION("the server gives one link at a time") {
    Driver driver([&](const Sent& sent) {
      const auto& name = sent.asked.name;
      if (records.aliases.contains(name))
        return std::vector{Reply(sent.asked).cname(name, 300, records.aliases[name]).bytes()};
      return std::vector{records.answer(sent.asked)};
    });
    CHECK(shown(driver.route("d1.example")) == "10 mx1.d3.example 192.0.2.1");
    CHECK(driver.asked("d3.example", Type::mx) == 1);
  }
}

TEST_CASE(
    "an alias whose target does not exist fails; one whose target has only an address is an implicit MX") {
  Records records;
  records.cname("d1.example", "nowhere.example")
      .cname("d2.example", "d3.example")
      .address("d3.example", "192.0.2.3");
  Driver driver(records);
  CHECK(shown(driver.route("d1.example")) == "F 5.1.2");
  const auto route = driver.route("d2.example");
  CHECK(shown(route) == "0 d3.example 192.0.2.3");
  CHECK(route->implicit);
}

TEST_CASE("a loop of aliases is cut off and delays, in one answer or over many") {
  const auto expect_delay = [](Driver& driver) {
    CHECK(shown(driver.route("d1.example")) == "D 4.4.3");
    CHECK(driver.sent.size() <= 12);
  };
  SECTION("all in one answer") {
    Records records;
    records.cname("d1.example", "d2.example").cname("d2.example", "d1.example");
    Driver driver(records);
    expect_delay(driver);
  }
  SECTION("an alias of itself") {
    Driver driver([](const Sent& sent) {
      return std::vector{Reply(sent.asked).cname(sent.asked.name, 300, sent.asked.name).bytes()};
    });
    expect_delay(driver);
  }
  SECTION("one link at a time, without end") {
    Driver driver([](const Sent& sent) {
      return std::vector{Reply(sent.asked).cname(sent.asked.name, 300, "x" + sent.asked.name).bytes()};
    });
    expect_delay(driver);
  }
}

TEST_CASE("an MX that is an alias is followed and remarked upon") {
  Records records;
  records.mx("d1.example", 10, "mx1.d1.example")
      .cname("mx1.d1.example", "real.example")
      .address("real.example", "192.0.2.1");
  Driver driver(records);
  const auto route = driver.route("d1.example");
  CHECK(shown(route) == "10 mx1.d1.example 192.0.2.1");
  REQUIRE(route->remarks.size() == 1);
  CHECK(route->remarks[0] == "MX mx1.d1.example of d1.example is an alias");
}

TEST_CASE("an MX that is an address in text is unusable, and nobody is asked about it") {
  Records records;
  records.mx("d1.example", 10, "192.0.2.1");
  records.mx("d2.example", 10, "192.0.2.1")
      .mx("d2.example", 20, "mx.d2.example")
      .address("mx.d2.example", "192.0.2.2");
  records.address("192.0.2.1", "192.0.2.1"); // even if someone would answer
  Driver driver(records);
  CHECK(shown(driver.route("d1.example")) == "F 5.4.4");
  const auto route = driver.route("d2.example");
  CHECK(shown(route) == "20 mx.d2.example 192.0.2.2");
  CHECK(route->unusable == std::vector<std::string>{"192.0.2.1"});
  CHECK(route->has_host("192.0.2.1"));
  CHECK(route->has_host("mx.d2.example"));
  CHECK_FALSE(route->has_host("d2.example"));
  CHECK(driver.asked("192.0.2.1", Type::a) == 0);
}

TEST_CASE("this host among the MXs: it and whatever is not better is dropped") {
  Records records;
  for (const char* domain : {"byname.example", "byaddress.example"}) {
    const std::string self =
        domain == std::string("byname.example") ? "relay.example" : "alias-of-us.example";
    records.mx(domain, 10, "mx1.d1.example")
        .mx(domain, 20, self)
        .mx(domain, 20, "mx2.d1.example")
        .mx(domain, 30, "mx3.d1.example");
  }
  for (const char* domain : {"byname.example", "byaddress.example"}) records.mx(domain, 20, "a.d1.example");
  records.address("a.d1.example", "192.0.2.9"); // stands before this host, but is no better
  for (const char* host : {"mx1.d1.example", "mx2.d1.example", "mx3.d1.example"})
    records.address(host, "192.0.2.1");
  records.address("relay.example", "198.51.100.1").address("alias-of-us.example", "198.51.100.1");
  Driver driver(records);
  CHECK(shown(driver.route("byname.example")) == "10 mx1.d1.example 192.0.2.1");
  CHECK(shown(driver.route("byaddress.example")) == "10 mx1.d1.example 192.0.2.1");
}

TEST_CASE("this host as the best MX fails, whatever is behind it") {
  Records records;
  records.mx("d1.example", 10, "relay.example").mx("d1.example", 20, "mx2.d1.example");
  records.mx("d2.example", 10, "other-name.example").mx("d2.example", 20, "dead.example");
  records.address("other-name.example", "198.51.100.1").address("mx2.d1.example", "192.0.2.1");
  records.address("relay.example", "198.51.100.1").broken["dead.example"] = servfail;
  Driver driver(records);
  CHECK(shown(driver.route("d1.example")) == "F 5.4.6");
  CHECK(shown(driver.route("d2.example")) == "F 5.4.6");
  CHECK(shown(driver.route("relay.example")) == "F 5.4.6"); // implicit
  CHECK(shown(driver.route("[198.51.100.1]")) == "F 5.4.6");
}

TEST_CASE("private targets are refused by policy unless they are allowed") {
  Records records;
  int number = 0;
  std::vector<std::string> domains;
  for (const char* address :
       {"127.0.0.1", "10.1.2.3", "192.168.0.1", "172.20.0.1", "169.254.169.254", "0.0.0.0", "::1",
        "::", "fe80::1", "fd00::1", "::ffff:127.0.0.1", "::ffff:192.0.2.1", "64:ff9b::10.0.0.1"}) {
    const auto domain = fmt::format("d{}.example", ++number);
    records.mx(domain, 10, "mx." + domain).address("mx." + domain, address);
    domains.push_back(domain);
  }
  records.address("implicit.example", "127.0.0.1");
  domains.insert(domains.end(), {"implicit.example", "[127.0.0.1]", "[IPv6:::1]", "[10.0.0.1]"});
  Driver strict(records);
  for (const auto& domain : domains) {
    CAPTURE(domain);
    CHECK(shown(strict.route(domain)) == "F 5.4.4 policy");
  }
  auto lax = config();
  lax.allow_private = true;
  Driver allowed(records, lax);
  for (const auto& domain : domains) {
    CAPTURE(domain);
    CHECK(allowed.route(domain).has_value());
  }
}

TEST_CASE("a host that the configuration names has no MX asked for and may have any address") {
  Records records;
  records.mx("relay.net", 10, "mx.relay.net").address("mx.relay.net", "192.0.2.1");
  records.address("relay.net", "10.0.0.1").address("relay.net", "192.0.2.2");
  records.address("relay.example", "198.51.100.1").broken["dead.example"] = servfail; // this host
  Driver driver(records);
  const auto route = driver.route(Target{"relay.net", 25, true});
  CHECK(shown(route) == "0 relay.net 10.0.0.1 192.0.2.2");
  CHECK(driver.asked("relay.net", Type::mx) == 0);
  CHECK(route->site == "0 relay.net");
  CHECK(shown(driver.route("relay.net")) == "10 mx.relay.net 192.0.2.1"); // as a domain
  CHECK(shown(driver.route(Target{"[127.0.0.1]", 25, true})) == "0 [127.0.0.1] 127.0.0.1");
  CHECK(shown(driver.route(Target{"[198.51.100.1]", 25, true})) == "0 [198.51.100.1] 198.51.100.1");
  CHECK(shown(driver.route(Target{"relay.example", 25, true})) == "0 relay.example 198.51.100.1");
  CHECK(shown(driver.route(Target{"nowhere.example", 25, true})) == "F 5.4.4");
  CHECK(shown(driver.route(Target{"dead.example", 25, true})) == "D 4.4.3");
}

TEST_CASE("a private address beside a public one is left out") {
  Records records;
  records.mx("d1.example", 10, "mx1.d1.example").mx("d1.example", 20, "mx2.d1.example");
  records.address("mx1.d1.example", "10.0.0.1").address("mx1.d1.example", "192.0.2.1");
  records.address("mx2.d1.example", "127.0.0.1");
  Driver driver(records);
  CHECK(shown(driver.route("d1.example")) == "10 mx1.d1.example 192.0.2.1");
}

TEST_CASE("a private host beside one in doubt delays") {
  Records records;
  records.mx("d1.example", 10, "mx1.d1.example").mx("d1.example", 20, "mx2.d1.example");
  records.address("mx1.d1.example", "10.0.0.1").broken["mx2.d1.example"] = servfail;
  Driver driver(records);
  CHECK(shown(driver.route("d1.example")) == "D 4.4.3");
}

TEST_CASE("an address literal is a route without any question") {
  Records records;
  Driver driver(records);
  const auto v4 = driver.route("[192.0.2.1]");
  CHECK(shown(v4) == "0 [192.0.2.1] 192.0.2.1");
  CHECK(v4->site == "0 [192.0.2.1]");
  CHECK(shown(driver.route("[ipv6:2001:DB8::1]")) == "0 [IPv6:2001:db8::1] 2001:db8::1");
  CHECK(driver.sent.empty());
}

TEST_CASE("a thousand MX records: the hundred best are kept, and no more is asked") {
  Driver driver([](const Sent& sent) {
    Reply reply(sent.asked);
    if (sent.asked.type == Type::mx) {
      if (!sent.stream) return std::vector{reply.truncated().bytes()};
      for (unsigned i = 1000; i > 0; --i)
        reply.mx(sent.asked.name, 300, i, fmt::format("mx{:04}.d1.example", i));
    } else if (sent.asked.type == Type::a) {
      reply.address(sent.asked.name, 300, "192.0.2.1");
    }
    return std::vector{reply.bytes()};
  });
  const auto route = driver.route("d1.example");
  REQUIRE(route);
  REQUIRE(route->hosts.size() == 100);
  CHECK(route->hosts.front().name == "mx0001.d1.example");
  CHECK(route->hosts.back().name == "mx0100.d1.example");
  CHECK(driver.sent.size() == 2 + 200);
}

TEST_CASE("a thousand addresses of a host are capped") {
  Driver driver([](const Sent& sent) {
    Reply reply(sent.asked);
    if (sent.asked.type == Type::mx)
      return std::vector{reply.mx(sent.asked.name, 300, 10, "mx.example").bytes()};
    if (!sent.stream) return std::vector{reply.truncated().bytes()};
    for (int i = 0; i < 1000; ++i) {
      reply.address(sent.asked.name, 300,
                    sent.asked.type == Type::a ? fmt::format("192.0.{}.{}", 2 + i / 250, 1 + i % 250)
                                               : fmt::format("2001:db8::{:x}", i + 1));
    }
    return std::vector{reply.bytes()};
  });
  const auto route = driver.route("d1.example");
  REQUIRE(route);
  CHECK(route->hosts.front().addresses.size() == 30);
}

TEST_CASE("one host in doubt and the rest failed hard delays; a usable one is used meanwhile") {
  Records records;
  records.mx("d1.example", 10, "mx1.d1.example").mx("d1.example", 20, "mx2.d1.example");
  records.broken["mx1.d1.example"] = servfail;
  Driver driver(records);
  CHECK(shown(driver.route("d1.example")) == "D 4.4.3"); // mx2 does not exist
  CHECK(driver.route("d1.example").error().until <= driver.now + 5s);
  driver.now += 6min;
  records.address("mx2.d1.example", "192.0.2.2");
  const auto route = driver.route("d1.example");
  CHECK(shown(route) == "20 mx2.d1.example 192.0.2.2");
  CHECK(route->expires <= driver.now + 5s); // so that the better host is looked up again soon
}

TEST_CASE("mail hosts that all have no address for certain fail") {
  Records records;
  records.mx("d1.example", 10, "mx1.d1.example")
      .mx("d1.example", 20, "mx2.d1.example")
      .names.insert("mx1.d1.example");
  Driver driver(records);
  CHECK(shown(driver.route("d1.example")) == "F 5.4.4");
}

TEST_CASE("one family in doubt: the other one's addresses are used for as long as the doubt is remembered") {
  Driver driver([](const Sent& sent) {
    Reply reply(sent.asked);
    if (sent.asked.type == Type::mx)
      reply.mx(sent.asked.name, 300, 10, "mx1.d1.example");
    else if (sent.asked.type == Type::a)
      reply.address(sent.asked.name, 300, "192.0.2.1");
    else
      reply.rcode(servfail);
    return std::vector{reply.bytes()};
  });
  const auto route = driver.route("d1.example");
  CHECK(shown(route) == "10 mx1.d1.example 192.0.2.1");
  CHECK(route->expires == driver.now + 5s);
}

TEST_CASE("a name that no DNS holds fails without a question") {
  Records records;
  Driver driver(records);
  CHECK(shown(driver.route("192.0.2.1")) == "F 5.1.2");
  CHECK(shown(driver.route(std::string(64, 'a') + ".example")) == "F 5.1.2");
  CHECK(shown(driver.route(std::string("d1\0.example", 11))) == "F 5.1.2");
  CHECK(driver.sent.empty());
}

TEST_CASE("equal preferences are drawn anew, better ones always come first") {
  Route route;
  for (const auto& [preference, name] : std::vector<std::pair<std::uint16_t, std::string>>{
           {5, "first"}, {10, "a"}, {10, "b"}, {10, "c"}, {20, "last"}}) {
    route.hosts.push_back({name, preference, {}});
  }
  SeededDice dice;
  std::map<std::string, int> orders;
  for (int i = 0; i < 6000; ++i) {
    const auto drawn = route.draw(dice);
    REQUIRE(drawn.size() == 5);
    REQUIRE(drawn[0]->name == "first");
    REQUIRE(drawn[4]->name == "last");
    ++orders[drawn[1]->name + drawn[2]->name + drawn[3]->name];
  }
  CHECK(orders.size() == 6);
  for (const auto& [order, count] : orders) CHECK(std::abs(count - 1000) < 200);
}
