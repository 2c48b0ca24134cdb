// What the terms of the mail and the TLSA records of a host come to.
#include "agent/run/security.h"

#include <catch2/catch.hpp>

using namespace bulkmail;
using namespace bulkmail::agent;
using transport::TlsLevel;
using transport::UseTls;

namespace {

resolver::MailHost host(const std::string& name) {
  resolver::MailHost host;
  host.name = name;
  host.addresses = {*resolver::IpAddress::parse("192.0.2.1")};
  return host;
}

resolver::MailHost host_with(std::vector<resolver::TlsaRecord> records) {
  auto with = host("mx1.d1.example");
  auto dane = std::make_shared<resolver::Dane>();
  dane->records = std::move(records);
  dane->names = {"base.d1.example", "d1.example"};
  with.dane = dane;
  return with;
}

const resolver::TlsaRecord record{3, 1, 1, std::string(32, 'x')};

} // namespace

TEST_CASE("security: a host has to prove its name, an address itself, and says no name for it") {
  const auto named = tls_policy(TlsLevel::require, host("mx1.d1.example"));
  CHECK(named.level == TlsLevel::require);
  CHECK(named.server_name == "mx1.d1.example");
  CHECK(named.names == std::vector<std::string>{"mx1.d1.example"});
  const auto address = tls_policy(TlsLevel::require, host("[192.0.2.1]"));
  CHECK(address.server_name.empty());
  CHECK(address.names == std::vector<std::string>{"192.0.2.1"});
}

TEST_CASE("security: TLSA records that can be used make it DANE, by the names of the records") {
  for (const TlsLevel level : {TlsLevel::opportunistic, TlsLevel::encrypt, TlsLevel::mta_sts}) {
    const auto policy = tls_policy(level, host_with({record}));
    CHECK(policy.level == TlsLevel::dane);
    CHECK(policy.server_name == "base.d1.example");
    CHECK(policy.names == std::vector<std::string>{"base.d1.example", "d1.example"});
    CHECK(policy.tlsa == std::vector{record});
  }
  CHECK(tls_policy(TlsLevel::off, host_with({record})).level == TlsLevel::off);
}

TEST_CASE("security: TLSA records that can't be used still ask for TLS, and lower nothing") {
  CHECK(tls_policy(TlsLevel::opportunistic, host_with({})).level == TlsLevel::encrypt);
  CHECK(tls_policy(TlsLevel::require, host_with({})).level == TlsLevel::require);
}

TEST_CASE("security: whose TLS is needed never goes on in clear") {
  const auto use = [](TlsLevel level) {
    return use_of_tls({.level = level, .server_name = {}, .names = {}, .tlsa = {}});
  };
  CHECK(use(TlsLevel::off) == UseTls::never);
  CHECK(use(TlsLevel::opportunistic) == UseTls::if_offered);
  for (const TlsLevel level : {TlsLevel::encrypt, TlsLevel::require, TlsLevel::mta_sts, TlsLevel::dane})
    CHECK(use(level) == UseTls::always);
}
