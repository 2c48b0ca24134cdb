#include "agent/queue/sender_rules.h"
#include "agent/queue/site_rules.h"

#include <catch2/catch.hpp>

using namespace bulkmail;
using namespace bulkmail::agent;
using resolver::IpAddress;
using namespace std::chrono_literals;

namespace {

struct Host {
  std::string name;
  std::vector<std::string> addresses = {"198.51.100.1"};
};

resolver::Route route(std::initializer_list<Host> hosts) {
  resolver::Route made;
  for (const Host& host : hosts) {
    resolver::MailHost& mail_host = made.hosts.emplace_back();
    mail_host.name = host.name;
    for (const auto& address : host.addresses)
      mail_host.addresses.push_back(IpAddress::parse(address).value());
  }
  return made;
}

SiteRule rule(std::vector<std::string> match, std::optional<std::uint32_t> connections = {}) {
  SiteRule made;
  made.match = std::move(match);
  made.connections = connections;
  return made;
}

SiteRule sender_rule(std::vector<std::string> match, std::vector<std::string> sender) {
  SiteRule made = rule(std::move(match));
  made.sender = std::move(sender);
  made.rate = Rate{1, 1s};
  return made;
}

} // namespace

TEST_CASE("A pattern is a domain or all that is below one") {
  const auto exact = DomainPattern::parse("MX.Example.ORG.");
  REQUIRE(exact);
  CHECK(exact->matches("mx.example.org"));
  CHECK_FALSE(exact->matches("a.mx.example.org"));
  CHECK_FALSE(exact->matches("xmx.example.org"));
  for (const auto* text : {"*.example.org", ".example.org"}) {
    const auto below = DomainPattern::parse(text);
    REQUIRE(below);
    CHECK(below->matches("a.example.org"));
    CHECK(below->matches("a.b.example.org"));
    CHECK_FALSE(below->matches("example.org"));
    CHECK_FALSE(below->matches("aexample.org"));
  }
  CHECK(DomainPattern::parse("*.bücher.example").value().matches("mx.xn--bcher-kva.example"));
  for (const auto* wrong : {"", "*", ".", "*.", "*.*.example", "a..example", "[192.0.2.1]", "a@b.example"}) {
    INFO(wrong);
    CHECK_FALSE(DomainPattern::parse(wrong));
  }
}

TEST_CASE("A range has the addresses that begin alike, of its own family") {
  const auto contains = [](const char* range, const char* address) {
    return AddressRange::parse(range).value().contains(IpAddress::parse(address).value());
  };
  CHECK(contains("192.0.2.7", "192.0.2.7"));
  CHECK_FALSE(contains("192.0.2.7", "192.0.2.6"));
  CHECK(contains("192.0.2.0/24", "192.0.2.255"));
  CHECK_FALSE(contains("192.0.2.0/24", "192.0.3.0"));
  CHECK(contains("192.0.2.64/27", "192.0.2.95"));
  CHECK_FALSE(contains("192.0.2.64/27", "192.0.2.96"));
  CHECK(contains("0.0.0.0/0", "255.255.255.255"));
  CHECK_FALSE(contains("0.0.0.0/0", "::"));
  CHECK_FALSE(contains("::/0", "0.0.0.0"));
  CHECK(contains("2001:db8::/33", "2001:db8:7fff::1"));
  CHECK_FALSE(contains("2001:db8::/33", "2001:db8:8000::1"));
  CHECK(contains("2001:db8::1/128", "2001:db8::1"));
  for (const auto* wrong : {"192.0.2.1/24", "192.0.2.0/33", "192.0.2.0/", "192.0.2.0/2x", "192.0.2/24",
                            "2001:db8::/129", "2001:db8::1/64", "192.0.2.0/-1", "/8"}) {
    INFO(wrong);
    CHECK(AddressRange::looks_like_one(wrong));
    CHECK_FALSE(AddressRange::parse(wrong));
  }
}

TEST_CASE("A site has the first entry that matches a name or an address of any of its hosts") {
  const std::vector<SiteRule> entries{rule({"*.mx.example.net", "198.51.100.64/26"}, 1),
                                      rule({"mx.example.org"}, 2),
                                      rule({"a.mx.example.net", "example.com"}, 3)};
  const SiteRules rules(entries);
  const auto connections = [&](const resolver::Route& its) {
    const SiteRule* found = rules.site(its);
    return found == nullptr ? 0 : found->connections.value();
  };
  CHECK(connections(route({{"a.mx.example.net"}})) == 1);
  CHECK(connections(route({{"mx.example.org"}})) == 2);
  CHECK(connections(route({{"mx.example.org"}, {"b.mx.example.net"}})) == 1);
  CHECK(connections(route({{"other.example", {"2001:db8::1", "198.51.100.70"}}})) == 1);
  CHECK(connections(route({{"[198.51.100.70]", {"198.51.100.70"}}})) == 1);
  CHECK(connections(route({{"mx.example.net"}})) == 0);
  CHECK(SiteRules().site(route({{"mx.example.net"}})) == nullptr);
}

TEST_CASE("An entry that names a recipient domain holds beside that of the domain's site") {
  const std::vector<SiteRule> entries{rule({"mx.example.net"}, 1), rule({"example.com", "*.example.com"}, 2),
                                      rule({"example.com"}, 3)};
  const SiteRules rules(entries);
  const auto provider = route({{"mx.example.net"}});
  CHECK(rules.site(provider)->connections == 1);
  CHECK(rules.domain("example.com", provider)->connections == 2);
  CHECK(rules.domain("other.example", provider) == nullptr);
  // Where it is the site's already, it does not count twice.
  const auto own = route({{"mx.example.com"}});
  CHECK(rules.site(own)->connections == 2);
  CHECK(rules.domain("example.com", own)->connections == 3);
  CHECK(rules.domain("a.example.com", own) == nullptr);
}

TEST_CASE("A group takes a site if the entry matches every host of it") {
  std::vector<SiteRule> entries{rule({"*.olc.example.net", "192.0.2.0/24"}, 1), rule({"*.example.net"}, 2)};
  entries[0].group = "olc";
  const SiteRules rules(entries);
  CHECK(rules.site(route({{"a.olc.example.net"}, {"b.olc.example.net"}}))->group == "olc");
  CHECK(rules.site(route({{"customer.example", {"192.0.2.9"}}}))->group == "olc");
  CHECK(rules.site(route({{"mx.customer.example"}, {"a.olc.example.net"}}))->connections == 2);
  CHECK(rules.site(route({{"mx.customer.example"}})) == nullptr);
}

TEST_CASE("An entry with senders holds for their mail, at a site or to a domain") {
  const std::vector<SiteRule> entries{sender_rule({"*.mx.example.net"}, {"news.example", "*.lists.example"}),
                                      sender_rule({"example.com"}, {"news.example"}),
                                      rule({"*.mx.example.net"}, 5)};
  const SiteRules rules(entries);
  CHECK(rules.any_sender());
  CHECK_FALSE(SiteRules(std::vector{rule({"a.example"}, 1)}).any_sender());
  const auto site = route({{"a.mx.example.net"}});
  CHECK(rules.site(site)->connections == 5);
  CHECK(rules.domain("example.com", route({{"mx.other.example"}})) == nullptr);
  CHECK(rules.sender("news.example", "d.example", site)->match.at(0) == "*.mx.example.net");
  CHECK(rules.sender("a.lists.example", "d.example", site) != nullptr);
  CHECK(rules.sender("lists.example", "d.example", site) == nullptr);
  CHECK(rules.sender("", "d.example", site) == nullptr);
  CHECK(rules.sender("news.example", "d.example", route({{"mx.other.example"}})) == nullptr);
  CHECK(rules.sender("news.example", "example.com", route({{"mx.other.example"}}))->match.at(0) ==
        "example.com");
}

TEST_CASE("A sender's weight is that of the first entry with its mailbox, its domain or what that is below") {
  const std::vector<SenderRule> entries{
      {{"Ann@Example.org", "<>"}, 9}, {{"example.org"}, 4}, {{"*.lists.example"}, 2}};
  const SenderRules rules(entries);
  CHECK(rules.weight("Ann@example.ORG") == 9);
  CHECK(rules.weight("ann@example.org") == 4);
  CHECK(rules.weight("bob@example.org") == 4);
  CHECK(rules.weight("\"a@b\"@example.org") == 4);
  CHECK(rules.weight("x@a.lists.example") == 2);
  CHECK(rules.weight("x@lists.example") == 1);
  CHECK(rules.weight("") == 9);
  CHECK(rules.weight("root") == 1);
  CHECK(SenderRules().weight("ann@example.org") == 1);
  CHECK(SenderPattern::domain_of("ann@Example.ORG") == "example.org");
  CHECK(SenderPattern::domain_of("").empty());
  for (const auto* wrong : {"", "@", "a@", "@b.example", "a@b..example", "*"}) {
    INFO(wrong);
    CHECK_FALSE(judge_sender_pattern(wrong).empty());
  }
}
