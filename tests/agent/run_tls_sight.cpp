// What a session shows of TLS, in the words of RFC 8460.
#include "agent/run/tls_sight.h"

#include <catch2/catch.hpp>

using namespace bulkmail;
using namespace bulkmail::agent;
using resolver::StsPolicy;
using transport::TlsFault;
using transport::TlsLevel;

namespace {

using Type = PublishedPolicy::Type;

const StsPolicy testing{StsPolicy::Mode::testing, {"*.d1.example"}, std::chrono::seconds(86'400)};

TlsSight sight(TlsLevel level = TlsLevel::opportunistic) {
  TlsSight seen;
  seen.policy.level = level;
  seen.host = "mx.d1.example";
  seen.address = "192.0.2.7";
  return seen;
}

std::pair<PublishedPolicy, TlsTally> counted(const TlsSight& seen, const StsPolicy* sts = nullptr) {
  TlsDay day;
  count(day, "d1.example", seen, sts);
  return *day.find("d1.example")->begin();
}

TlsResult failure(const TlsTally& tally) {
  REQUIRE(tally.failures == 1);
  return tally.details.begin()->first.result;
}

} // namespace

TEST_CASE("without a policy TLS is a success, whatever the certificate") {
  TlsSight seen = sight();
  seen.flaw = TlsFault::expired;
  const auto [policy, tally] = counted(seen);
  CHECK(policy.type == Type::none);
  CHECK(tally.successes == 1);
  CHECK(tally.failures == 0);
}

TEST_CASE("a host that offers no TLS is a failure, with its name and address") {
  TlsSight seen = sight();
  seen.failure = TlsResult::starttls_not_supported;
  const auto [policy, tally] = counted(seen);
  CHECK(failure(tally) == TlsResult::starttls_not_supported);
  CHECK(tally.details.begin()->first.mx == "mx.d1.example");
  CHECK(tally.details.begin()->first.to == "192.0.2.7");
}

TEST_CASE("an MTA-STS policy is told as it was published") {
  const auto [policy, tally] = counted(sight(), &testing);
  CHECK(policy == PublishedPolicy{Type::sts,
                                  {"version: STSv1", "mode: testing", "mx: *.d1.example", "max_age: 86400"},
                                  {"*.d1.example"}});
  CHECK(tally.successes == 1);
}

TEST_CASE("a policy that is only tested is told what it would have refused") {
  TlsSight seen = sight();
  seen.flaw = TlsFault::name;
  CHECK(failure(counted(seen, &testing).second) == TlsResult::certificate_host_mismatch);
  seen.host = "mx.elsewhere.example";
  CHECK(failure(counted(seen, &testing).second) == TlsResult::validation_failure);
}

TEST_CASE("DANE stands above MTA-STS, and its records are told as a zone has them") {
  TlsSight seen = sight(TlsLevel::dane);
  seen.policy.tlsa.push_back({3, 1, 1, std::string("\x00\xff", 2)});
  const auto [policy, tally] = counted(seen, &testing);
  CHECK(policy == PublishedPolicy{Type::tlsa, {"3 1 1 00ff"}, {"mx.d1.example"}});
  CHECK(tally.successes == 1);
}

TEST_CASE("each fault of a handshake has its name") {
  CHECK(tls_result(TlsFault::name) == TlsResult::certificate_host_mismatch);
  CHECK(tls_result(TlsFault::expired) == TlsResult::certificate_expired);
  CHECK(tls_result(TlsFault::untrusted) == TlsResult::certificate_not_trusted);
  CHECK(tls_result(TlsFault::tlsa) == TlsResult::tlsa_invalid);
  CHECK(tls_result(TlsFault::handshake) == TlsResult::validation_failure);
}
