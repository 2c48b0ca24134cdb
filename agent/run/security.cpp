#include "agent/run/security.h"

#include <algorithm>

namespace bulkmail::agent {

using transport::TlsLevel;
using transport::TlsPolicy;
using transport::UseTls;

namespace {

// Of an address literal, or of an address in a route: "[192.0.2.1]", "[IPv6:2001:db8::1]".
bool is_address(const resolver::MailHost& host) { return host.name.starts_with('['); }

// What DNSSEC proves of a host stands above all else that may be known of it (RFC 7672 §2.2, RFC 8461 §2).
void raise(TlsPolicy& policy, const resolver::Dane& dane) {
  if (!dane.authenticates()) {
    policy.level = std::max(policy.level, TlsLevel::encrypt);
    return;
  }
  policy.level = TlsLevel::dane;
  policy.server_name = dane.base();
  policy.names = dane.names;
  policy.tlsa = dane.records;
}

} // namespace

TlsPolicy tls_policy(TlsLevel level, const resolver::MailHost& host) {
  TlsPolicy policy{.level = level, .server_name = {}, .names = {}, .tlsa = {}};
  if (is_address(host)) {
    policy.names.push_back(host.addresses.front().to_string());
  } else {
    policy.server_name = host.name;
    policy.names.push_back(host.name);
  }
  if (host.dane && level != TlsLevel::off) raise(policy, *host.dane);
  return policy;
}

UseTls use_of_tls(const TlsPolicy& policy) {
  if (policy.level == TlsLevel::off) return UseTls::never;
  return policy.required() ? UseTls::always : UseTls::if_offered;
}

} // namespace bulkmail::agent
