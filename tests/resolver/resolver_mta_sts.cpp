#include "resolver/policy/mta_sts.h"
#include "resolver/policy/tls_reports.h"

#include <catch2/catch.hpp>

using namespace bulkmail::resolver;
using namespace std::chrono_literals;
using Mode = StsPolicy::Mode;
using Records = std::vector<std::string>;

namespace {

constexpr std::string_view example =
    "version: STSv1\r\nmode: enforce\r\nmx: mx1.example.org\r\nmx: *.backup.example.org\r\n"
    "max_age: 604800\r\n";

std::string refused(std::string_view text) {
  const auto policy = parse_sts_policy(text);
  return policy ? "taken" : policy.error();
}

} // namespace

TEST_CASE("an MTA-STS policy is read as its domain wrote it") {
  const auto policy = parse_sts_policy(example);
  REQUIRE(policy);
  CHECK(policy->mode == Mode::enforce);
  CHECK(policy->max_age == 604800s);
  CHECK(policy->mx == Records{"mx1.example.org", "*.backup.example.org"});
  const auto plain = parse_sts_policy("version:STSv1\nmode:testing\nmx:MX1.Example.ORG.\nmax_age:86400");
  REQUIRE(plain);
  CHECK(plain->mode == Mode::testing);
  CHECK(plain->mx == Records{"mx1.example.org"});
}

TEST_CASE("what an MTA-STS policy says twice or in words to come is passed over") {
  const auto policy =
      parse_sts_policy("version: STSv1\nmode: none\nmode: enforce\nmax_age: 1\nmax_age: 2\nfuture: x\n\n");
  REQUIRE(policy);
  CHECK(policy->mode == Mode::none);
  CHECK(policy->max_age == 1s);
}

TEST_CASE("an MTA-STS policy is kept for a year at most") {
  CHECK(parse_sts_policy("version: STSv1\nmode: none\nmax_age: 9999999999\n")->max_age == sts_max_age);
}

TEST_CASE("a text that is no MTA-STS policy says nothing, and why") {
  CHECK(refused("") == "it is empty");
  CHECK(refused("<html>404</html>") == "it has a line without a colon");
  CHECK(refused("mode: enforce\nversion: STSv1\n") == "it does not begin with version: STSv1");
  CHECK(refused("version: STSv2\n") == "it does not begin with version: STSv1");
  CHECK(refused("version: STSv1\nmode: Enforce\nmx: a.b\nmax_age: 1") ==
        "its mode is none of enforce, testing and none");
  CHECK(refused("version: STSv1\nmx: a.b\nmax_age: 1") == "it has no mode");
  CHECK(refused("version: STSv1\nmode: enforce\nmx: a.b") == "it has no max_age");
  CHECK(refused("version: STSv1\nmode: enforce\nmax_age: 1") == "it names no mx");
  for (const char* age : {"", "-1", "1x", "0x10", "99999999999"})
    CHECK(refused("version: STSv1\nmode: none\nmax_age: " + std::string(age)) ==
          "its max_age is no number of seconds");
  for (const char* host : {"", "*.", "*", "a..b", "a b", "[192.0.2.1]", "*.*.example"})
    CHECK(refused("version: STSv1\nmode: enforce\nmax_age: 1\nmx: " + std::string(host)) ==
          "its mx is no host name");
  CHECK(refused(std::string(sts_max_policy + 1, '\n')) == "it is longer than 64 KiB");
  std::string many = "version: STSv1\n";
  for (std::size_t i = 0; i <= sts_max_patterns; ++i) many += "mx: mx.example\n";
  CHECK(refused(many) == "it names more than 200 hosts");
}

TEST_CASE("an MTA-STS pattern stands for a host, or for one label before a domain") {
  const StsPolicy policy{Mode::enforce, {"mx1.example.org", "*.backup.example.org"}, 1s};
  for (const char* host : {"mx1.example.org", "a.backup.example.org"}) CHECK(policy.allows(host));
  for (const char* host : {"mx2.example.org", "backup.example.org", "a.b.backup.example.org",
                           ".backup.example.org", "xbackup.example.org", "", "org"})
    CHECK_FALSE(policy.allows(host));
}

TEST_CASE("the id of an MTA-STS policy stands in the one record that is meant so") {
  CHECK(sts_id(Records{"v=STSv1; id=20261124T1;"}) == "20261124T1");
  CHECK(sts_id(Records{"google-site-verification=x", "v=STSv1;id=a1", "v=STSv10; id=b"}) == "a1");
  CHECK(sts_id(Records{"v=STSv1 ; id = 7 ; more=x"}) == "7");
  for (const char* record :
       {"", "v=STSv1", "v=STSv1; id=", "v=STSv1; id=a b", "v=STSv1; id=a-b", "id=a; v=STSv1",
        "v=STSv1; id=a; =x", "v=STSv1; id=a; junk", "v=STSv1; id=123456789012345678901234567890123"})
    CHECK_FALSE(sts_id(Records{record}));
  CHECK_FALSE(sts_id(Records{"v=STSv1; id=a", "v=STSv1; id=a"}));
  CHECK_FALSE(sts_id(Records{}));
}

TEST_CASE("a domain tells who wants to hear of TLS") {
  CHECK(
      tls_report_addresses(Records{"v=TLSRPTv1; rua=mailto:tls@Example.ORG,https://r.example.org/v1?x=1"}) ==
      std::vector<TlsReportAddress>{{false, "tls@example.org"}, {true, "https://r.example.org/v1?x=1"}});
  CHECK(tls_report_addresses(Records{"v=TLSRPTv1;rua=mailto:a%2Bb@example.org?subject=x"}) ==
        std::vector<TlsReportAddress>{{false, "a+b@example.org"}});
  CHECK(tls_report_addresses(
            Records{"v=TLSRPTv1; rua=mailto:a@b.example", "v=TLSRPTv1; rua=mailto:a@b.example"})
            .empty());
  for (const char* uri : {"ftp://x", "mailto:", "mailto:a", "mailto:@x.example", "mailto:a@b@c.example",
                          "mailto:a%0ab@c.example", "mailto:a%3e@c.example", "mailto:a%2@c.example",
                          "mailto:a%zz@c.example", "https://"})
    CHECK(tls_report_addresses(Records{std::string("v=TLSRPTv1; rua=") + uri}).empty());
}
