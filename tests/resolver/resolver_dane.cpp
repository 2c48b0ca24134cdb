// DANE for SMTP (RFC 7672): when TLSA records are asked for, what they are good for, and that no trouble leads to less.
#include "resolver/policy/dane.h"
#include "tests/resolver/fake_dns.h"

#include <catch2/catch.hpp>

using namespace bulkmail;
using namespace bulkmail::resolver;
using namespace bulkmail::resolver::fake;

namespace {

const std::string digest(32, '\x5a');
const TlsaRecord ee{3, 1, 1, digest}, ta{2, 0, 1, digest};

// A signed zone with one mail host, all well.
Records signed_world() {
  Records records;
  records.signed_zones = {"d1.example"};
  records.mx("d1.example", 10, "mx.d1.example")
      .address("mx.d1.example", "192.0.2.1")
      .address("mx.d1.example", "2001:db8::1")
      .tlsa("_25._tcp.mx.d1.example", ee);
  return records;
}

std::shared_ptr<const Dane> dane_of(const RouteAnswer& route, std::size_t host = 0) {
  return route.value().hosts.at(host).dane;
}

Endpoint remote() { return endpoint("203.0.113.53:53"); }

// The answers to questions of that type are made by `make`, the rest come from the records.
Server but(const Records& records, Type type, std::function<std::vector<std::string>(const Asked&)> make) {
  return [&records, type, make](const Sent& query) {
    return query.asked.type == type ? make(query.asked) : std::vector{records.answer(query.asked)};
  };
}

std::vector<std::string> servfail(const Asked& asked) { return {Reply(asked).rcode(2).bytes()}; }

std::vector<std::string> silent(const Asked&) { return {}; }

} // namespace

TEST_CASE("a host whose MX, addresses and TLSA records are proved has DANE") {
  const auto records = signed_world();
  Driver driver(records);
  const auto route = driver.route("d1.example");
  REQUIRE(route);
  CHECK(route->secure);
  CHECK(route->dane_key != SiteKey{});
  const auto dane = dane_of(route);
  REQUIRE(dane);
  CHECK(dane->authenticates());
  CHECK(dane->records == std::vector{ee});
  CHECK(dane->base() == "mx.d1.example");
  CHECK(dane->names == std::vector<std::string>{"mx.d1.example", "d1.example"});
  CHECK(driver.asked("_25._tcp.mx.d1.example", Type::tlsa) == 1);
}

TEST_CASE("TLSA records are those of the port that mail goes to") {
  auto records = signed_world();
  records.tlsa("_587._tcp.mx.d1.example", ta);
  Driver driver(records);
  CHECK(dane_of(driver.route("d1.example", 587))->records == std::vector{ta});
  CHECK(dane_of(driver.route("d1.example", 25))->records == std::vector{ee});
  CHECK(dane_of(driver.route("d1.example", 465)) == nullptr);
}

TEST_CASE("nothing is asked for and nothing believed where something on the way is not proved") {
  auto records = signed_world();
  records.signed_zones = {};
  SECTION("nothing") {}
  SECTION("only the MX set") {
    records.signed_zones = {"d1.example"};
    records.data.erase({"d1.example", Type::mx});
    records.mx("d1.example", 10, "mx.provider.example").address("mx.provider.example", "192.0.2.1");
    records.tlsa("_25._tcp.mx.provider.example", ee);
  }
  SECTION("only the host") { records.signed_zones = {"mx.d1.example"}; }
  SECTION("the host is an alias of one that is not signed") {
    records.signed_zones = {"d1.example"};
    records.data.erase({"mx.d1.example", Type::a});
    records.data.erase({"mx.d1.example", Type::aaaa});
    records.cname("mx.d1.example", "mx.provider.example").address("mx.provider.example", "192.0.2.1");
  }
  Driver driver(records);
  const auto route = driver.route("d1.example");
  REQUIRE(route);
  CHECK(dane_of(route) == nullptr);
  CHECK(route->dane_key == SiteKey{});
  for (const Sent& sent : driver.sent) CHECK(sent.asked.type != Type::tlsa);
}

TEST_CASE("a TLSA answer that is not proved is none") {
  const auto records = signed_world();
  Driver driver(but(records, Type::tlsa, [&](const Asked& asked) -> std::vector<std::string> {
    return {Reply(asked).tlsa(asked.name, 300, ee).bytes()};
  }));
  const auto route = driver.route("d1.example");
  CHECK(route.value().secure);
  CHECK(dane_of(route) == nullptr);
}

TEST_CASE("proved not to be there is no DANE, whether as NXDOMAIN or as no data") {
  auto records = signed_world();
  records.data.erase({"_25._tcp.mx.d1.example", Type::tlsa});
  if (GENERATE(true, false)) records.names.erase("_25._tcp.mx.d1.example");
  Driver driver(records);
  const auto route = driver.route("d1.example");
  CHECK(route.value().secure);
  CHECK(dane_of(route) == nullptr);
  CHECK(driver.asked("_25._tcp.mx.d1.example", Type::tlsa) == 1);
}

TEST_CASE("without MX records, which must be proved, the domain itself has the TLSA records") {
  Records records;
  records.signed_zones = {"d1.example"};
  records.address("d1.example", "192.0.2.1").tlsa("_25._tcp.d1.example", ee);
  Driver driver(records);
  const auto dane = dane_of(driver.route("d1.example"));
  REQUIRE(dane);
  CHECK(dane->names == std::vector<std::string>{"d1.example"});
  Driver doubtful(but(records, Type::mx, [](const Asked& asked) -> std::vector<std::string> {
    return {Reply(asked).soa("d1.example", 60, 60).bytes()};
  }));
  CHECK(dane_of(doubtful.route("d1.example")) == nullptr);
}

TEST_CASE("the AD bit of a server that is not trusted is ignored") {
  const auto records = signed_world();
  const auto forged = [&](const Sent& query) { // sets it unasked
    auto bytes = records.answer(query.asked);
    bytes[3] = static_cast<char>(bytes[3] | 0x20);
    return std::vector{bytes};
  };
  const auto route_from = [&](const Endpoint& server, TrustAd trust) {
    auto made = config({server});
    made.trust_ad = trust;
    Driver driver(forged, made);
    const auto route = driver.route("d1.example");
    const bool wanted = driver.sent.front().asked.authentic;
    CHECK(wanted == route.value().secure);
    return route.value().secure;
  };
  const Endpoint local = endpoint("127.0.0.53:53"), local6 = endpoint("[::1]:53");
  CHECK(route_from(local, TrustAd::loopback));
  CHECK(route_from(local6, TrustAd::loopback));
  CHECK_FALSE(route_from(remote(), TrustAd::loopback));
  CHECK_FALSE(route_from(local, TrustAd::never));
  CHECK(route_from(remote(), TrustAd::always));
}

TEST_CASE("an answer is as good as the server that gave it, not as the one asked first") {
  const auto records = signed_world();
  auto made = config({endpoint("127.0.0.1:53"), remote()});
  Driver driver(
      [&](const Sent& query) {
        if (query.to != remote()) return std::vector{Reply(query.asked).rcode(2).bytes()};
        auto bytes = records.answer(query.asked);
        bytes[3] = static_cast<char>(bytes[3] | 0x20);
        return std::vector{bytes};
      },
      made);
  const auto route = driver.route("d1.example");
  CHECK_FALSE(route.value().secure);
  CHECK(dane_of(route) == nullptr);
}

TEST_CASE("a cached answer stays as well proved as it was") {
  const auto records = signed_world();
  Driver driver(records);
  const auto first = driver.route("d1.example");
  const std::size_t sent = driver.sent.size();
  const auto second = driver.route("d1.example");
  CHECK(driver.sent.size() == sent);
  CHECK(second.value().secure);
  CHECK(dane_of(second)->key == dane_of(first)->key);
  CHECK(second->dane_key == first->dane_key);
}

TEST_CASE("a bogus MX set delays") {
  const auto records = signed_world();
  Driver driver(but(records, Type::mx, servfail));
  const auto route = driver.route("d1.example");
  REQUIRE_FALSE(route);
  CHECK_FALSE(route.error().permanent);
  CHECK(route.error().status == "4.4.3");
}

TEST_CASE("a host whose TLSA answer is bogus or does not come is not used, the others are") {
  auto records = signed_world();
  const auto trouble = GENERATE(0, 1);
  records.mx("d1.example", 20, "other.example").address("other.example", "192.0.2.9");
  Driver driver(but(records, Type::tlsa, trouble == 0 ? servfail : silent));
  const auto route = driver.route("d1.example");
  REQUIRE(route);
  REQUIRE(route->hosts.size() == 1);
  CHECK(route->hosts[0].name == "other.example");
  CHECK(route->expires <= driver.now + 5s);
  CHECK(route->site == "10 mx.d1.example,20 other.example");
}

TEST_CASE("hosts whose TLSA answers are all in doubt delay the mail and never take it in clear") {
  const auto records = signed_world();
  const auto trouble = GENERATE(0, 1, 2);
  Driver driver(but(records, Type::tlsa, [&](const Asked& asked) -> std::vector<std::string> {
    switch (trouble) {
    case 0: return servfail(asked);
    case 1: return silent(asked);
    default: return {Reply(asked).authentic().record(Reply::answer, asked.name, 52, 300, "\3\1\1").bytes()};
    }
  }));
  const auto route = driver.route("d1.example");
  REQUIRE_FALSE(route);
  CHECK_FALSE(route.error().permanent);
  CHECK(route.error().status == "4.4.3");
  CHECK_FALSE(route.error().policy);
  CHECK_THAT(route.error().text, Catch::Contains("TLSA records of _25._tcp.mx.d1.example"));
  CHECK(route.error().until <= driver.now + 5s);
}

TEST_CASE("records that SMTP can not use still forbid clear text") {
  auto records = signed_world();
  records.data.erase({"_25._tcp.mx.d1.example", Type::tlsa});
  records.tlsa("_25._tcp.mx.d1.example", {1, 1, 1, digest})
      .tlsa("_25._tcp.mx.d1.example", {3, 1, 1, "short"});
  Driver driver(records);
  const auto dane = dane_of(driver.route("d1.example"));
  REQUIRE(dane);
  CHECK_FALSE(dane->authenticates());
}

TEST_CASE("of usable and unusable records the usable ones count, each once") {
  auto records = signed_world();
  const std::string name = "_25._tcp.mx.d1.example";
  records.tlsa(name, ee).tlsa(name, {0, 0, 1, digest}).tlsa(name, ta);
  Driver driver(records);
  CHECK(dane_of(driver.route("d1.example"))->records == std::vector{ta, ee});
}

TEST_CASE("which TLSA records SMTP can use") {
  const auto certificate = std::string("\x30\x03\x02\x01\x05", 5);
  const auto long_certificate = std::string("\x30\x82\x01\x00", 4) + std::string(256, 'x');
  CHECK(is_usable({3, 0, 0, certificate}));
  CHECK(is_usable({2, 1, 0, long_certificate}));
  CHECK(is_usable({3, 0, 1, std::string(32, 'x')}));
  CHECK(is_usable({2, 1, 2, std::string(64, 'x')}));
  CHECK_FALSE(is_usable({0, 0, 1, std::string(32, 'x')})); // PKIX-TA and PKIX-EE: RFC 7672 §3.1.3
  CHECK_FALSE(is_usable({1, 0, 1, std::string(32, 'x')}));
  CHECK_FALSE(is_usable({4, 0, 1, std::string(32, 'x')}));
  CHECK_FALSE(is_usable({255, 0, 1, std::string(32, 'x')})); // private use
  CHECK_FALSE(is_usable({3, 2, 1, std::string(32, 'x')}));
  CHECK_FALSE(is_usable({3, 0, 3, std::string(32, 'x')}));
  CHECK_FALSE(is_usable({3, 0, 1, std::string(31, 'x')}));
  CHECK_FALSE(is_usable({3, 0, 1, std::string(64, 'x')}));
  CHECK_FALSE(is_usable({3, 0, 2, std::string(32, 'x')}));
  CHECK_FALSE(is_usable({3, 0, 0, ""}));
  CHECK_FALSE(is_usable({3, 0, 0, "x"}));
  CHECK_FALSE(is_usable({3, 0, 0, certificate + "x"}));
  CHECK_FALSE(is_usable({3, 0, 0, certificate.substr(0, 4)}));
  CHECK_FALSE(is_usable({3, 0, 0, std::string("\x30\x80", 2)}));
  CHECK_FALSE(is_usable({3, 0, 0, std::string("\x30\x84\xff\xff\xff\xff", 6)}));
}

TEST_CASE("the name at the end of a host's aliases is looked at before its own") {
  auto records = signed_world();
  records.signed_zones.insert("provider.example");
  records.data.erase({"mx.d1.example", Type::a});
  records.data.erase({"mx.d1.example", Type::aaaa});
  records.cname("mx.d1.example", "mx.provider.example").address("mx.provider.example", "192.0.2.1");
  const std::string expanded = "_25._tcp.mx.provider.example", own = "_25._tcp.mx.d1.example";
  SECTION("and has records") {
    records.tlsa(expanded, ta);
    Driver driver(records);
    const auto dane = dane_of(driver.route("d1.example"));
    REQUIRE(dane);
    CHECK(dane->records == std::vector{ta});
    CHECK(dane->names == std::vector<std::string>{"mx.provider.example", "d1.example"});
    CHECK(driver.asked(own, Type::tlsa) == 0);
  }
  SECTION("and has none") {
    Driver driver(records);
    const auto dane = dane_of(driver.route("d1.example"));
    REQUIRE(dane);
    CHECK(dane->base() == "mx.d1.example");
    CHECK(driver.asked(expanded, Type::tlsa) == 1);
  }
  SECTION("and is in doubt") {
    records.broken[expanded] = 2;
    Driver driver(records);
    CHECK_FALSE(driver.route("d1.example"));
    CHECK(driver.asked(own, Type::tlsa) == 0);
  }
  SECTION("and has records that SMTP can not use") {
    records.tlsa(expanded, {0, 0, 1, digest});
    Driver driver(records);
    CHECK_FALSE(dane_of(driver.route("d1.example"))->authenticates());
  }
}

TEST_CASE("TLSA records may be an alias, if all of it is proved") {
  auto records = signed_world();
  records.data.erase({"_25._tcp.mx.d1.example", Type::tlsa});
  records.cname("_25._tcp.mx.d1.example", "tlsa.provider.example").tlsa("tlsa.provider.example", ta);
  Driver insecure(records);
  CHECK(dane_of(insecure.route("d1.example")) == nullptr);
  records.signed_zones.insert("provider.example");
  Driver driver(records);
  const auto dane = dane_of(driver.route("d1.example"));
  REQUIRE(dane);
  CHECK(dane->records == std::vector{ta});
  CHECK(dane->base() == "mx.d1.example");
}

TEST_CASE("a domain that is an alias is one of the names an authority may vouch for, under both names") {
  auto records = signed_world();
  records.signed_zones.insert("www.example");
  records.cname("www.example", "d1.example");
  Driver driver(records);
  CHECK(dane_of(driver.route("www.example"))->names ==
        std::vector<std::string>{"mx.d1.example", "www.example", "d1.example"});
}

TEST_CASE("a route ends with its TLSA records") {
  const auto records = signed_world();
  Driver driver(but(records, Type::tlsa, [](const Asked& asked) -> std::vector<std::string> {
    return {Reply(asked).authentic().tlsa(asked.name, 20, ee).bytes()};
  }));
  CHECK(driver.route("d1.example").value().expires == driver.now + 20s);
}

TEST_CASE("after a rollover the records are used as they are then") {
  auto records = signed_world();
  records.ttl = 30;
  Driver driver(records);
  const auto before = driver.route("d1.example");
  records.data[{"_25._tcp.mx.d1.example", Type::tlsa}] = {{0, {}, ta}};
  CHECK(dane_of(driver.route("d1.example"))->records == std::vector{ee});
  driver.now += 30s;
  const auto after = driver.route("d1.example");
  CHECK(dane_of(after)->records == std::vector{ta});
  CHECK(after->dane_key != before->dane_key);
}

TEST_CASE("routes agree in DANE only where the same is proved for both") {
  auto records = signed_world();
  records.signed_zones.insert("d2.example");
  records.mx("d2.example", 10, "mx.d1.example").mx("unsigned.example", 10, "mx.d1.example");
  SECTION("the host's own key is that for every domain") {
    Driver driver(records);
    const auto first = driver.route("d1.example"), second = driver.route("d2.example");
    CHECK(first->dane_key == second->dane_key);
    const auto unproved = driver.route("unsigned.example");
    CHECK(unproved->site_key == first->site_key);
    CHECK(unproved->dane_key == SiteKey{});
    CHECK(driver.asked("_25._tcp.mx.d1.example", Type::tlsa) == 1);
  }
  SECTION("an authority may vouch for a name that is the domain's") {
    records.tlsa("_25._tcp.mx.d1.example", ta);
    Driver driver(records);
    CHECK(driver.route("d1.example")->dane_key != driver.route("d2.example")->dane_key);
  }
}

TEST_CASE("the TLSA records of all hosts are asked for at once") {
  Records records;
  records.signed_zones = {"example"};
  for (int i = 0; i < 20; ++i) {
    const std::string host = "mx" + std::to_string(i) + ".example";
    records.mx("d1.example", 10, host).address(host, "192.0.2.1");
  }
  Driver driver(but(records, Type::tlsa, silent));
  driver.resolver.want({"d1.example", 25}, driver.now);
  const auto start = driver.now;
  driver.run();
  CHECK(driver.most_open == 40);       // its A and AAAA before
  CHECK(driver.now - start <= 4 * 2s); // one question's patience
}

TEST_CASE("DANE that is not wanted is not asked for") {
  const auto records = signed_world();
  auto made = config();
  made.dane = false;
  Driver driver(records, made);
  const auto route = driver.route("d1.example");
  CHECK(route.value().secure);
  CHECK(dane_of(route) == nullptr);
  CHECK(driver.asked("_25._tcp.mx.d1.example", Type::tlsa) == 0);
}

TEST_CASE("a host that must not be used is not asked about") {
  auto records = signed_world();
  records.data.erase({"mx.d1.example", Type::aaaa});
  records.data[{"mx.d1.example", Type::a}] = {{0, "10.0.0.1"}};
  Driver driver(records);
  CHECK_FALSE(driver.route("d1.example"));
  CHECK(driver.asked("_25._tcp.mx.d1.example", Type::tlsa) == 0);
}

TEST_CASE("a host whose TLSA name would be too long has no such records") {
  std::string host = "d1.example";
  while (host.size() < 245) host = "a." + host;
  auto records = signed_world();
  records.mx("d1.example", 5, host).address(host, "192.0.2.7");
  Driver driver(records);
  const auto route = driver.route("d1.example");
  CHECK(route.value().hosts.at(0).name == host);
  CHECK(dane_of(route, 0) == nullptr);
  CHECK(dane_of(route, 1) != nullptr);
  CHECK(tlsa_name(std::string(244, 'a'), 25).value().size() == 253);
  CHECK_FALSE(tlsa_name(std::string(245, 'a'), 25));
}
