#include "agent/run/way_finder.h"

#include <catch2/catch.hpp>

using namespace bulkmail;
using namespace bulkmail::agent;
using namespace std::chrono_literals;
using Mode = StsPolicy::Mode;
using transport::TlsLevel;

namespace {

const Monotonic now = Monotonic{} + 1h;

Way way_to(const std::vector<std::string>& hosts, TlsLevel level = TlsLevel::opportunistic) {
  resolver::Route route;
  route.domain = "d.example";
  for (const auto& host : hosts) route.hosts.push_back({host, 10, {}});
  route.expires = now + 24h;
  Terms terms;
  terms.tls = level;
  return {std::move(route), agreed(std::move(terms))};
}

StsState policy(Mode mode, std::vector<std::string> mx) {
  return {std::make_shared<const StsPolicy>(StsPolicy{mode, std::move(mx), 1h}), "1", ""};
}

} // namespace

TEST_CASE("an enforced policy takes out the hosts that it does not name, and the others have to prove who "
          "they are") {
  const auto way = under_policy(way_to({"a.example", "b.example", "c.example"}),
                                policy(Mode::enforce, {"c.example", "a.example"}), now);
  REQUIRE(way);
  REQUIRE(way->hosts.size() == 2);
  CHECK(way->hosts[0].name == "a.example");
  CHECK(way->hosts[1].name == "c.example");
  CHECK(way->unusable == std::vector<std::string>{"b.example"});
  CHECK(way->terms->tls == TlsLevel::mta_sts);
  CHECK(way->expires == now + StsCache::longest_check);
  CHECK(way->terms->key != standard_terms()->key);
}

TEST_CASE("an enforced policy that names none of a domain's hosts delays its mail") {
  const auto way = under_policy(way_to({"a.example"}), policy(Mode::enforce, {"b.example"}), now);
  REQUIRE_FALSE(way);
  CHECK_FALSE(way.error().permanent);
  CHECK(way.error().status == "4.7.5");
  CHECK(way.error().policy);
}

TEST_CASE("no policy, and one that is only tested, change nothing") {
  for (const StsState& state : {StsState{}, policy(Mode::testing, {"b.example"})}) {
    const auto way = under_policy(way_to({"a.example"}), state, now);
    REQUIRE(way);
    CHECK(way->hosts.size() == 1);
    CHECK(way->terms->key == standard_terms()->key);
    CHECK(way->expires == now + 24h);
  }
}

TEST_CASE("the same policy of two domains gives the same terms, another gives others") {
  const auto key = [](std::vector<std::string> mx, TlsLevel level = TlsLevel::opportunistic) {
    return under_policy(way_to({"a.example"}, level), policy(Mode::enforce, std::move(mx)), now)->terms->key;
  };
  CHECK(key({"a.example"}) == key({"a.example"}));
  CHECK(key({"a.example"}) != key({"a.example", "b.example"}));
  CHECK(key({"a.example"}) != standard_terms()->key);
}
