// What a session shows of TLS, and what TLSRPT calls that (RFC 8460 §4).
#pragma once

#include "agent/report/tls_day.h"
#include "resolver/policy/mta_sts.h"
#include "transport/tls/channel.h"
#include "transport/tls/policy.h"

#include <optional>
#include <string>

namespace bulkmail::agent {

struct TlsSight {
  std::optional<TlsResult> failure{};
  std::string reason{};                      // of it
  std::optional<transport::TlsFault> flaw{}; // without a failure: of a certificate that nothing hung on
  transport::TlsPolicy policy{};             // that the host was held to
  std::string host{}, address{}, source{};
};

[[nodiscard]] TlsResult tls_result(transport::TlsFault fault);

// Counts it for a domain, whose MTA-STS policy is that (null: it has none). What DNSSEC proves stands above that; a policy
// that is only tested is judged as if it had been kept to.
void count(TlsDay& day, const std::string& domain, const TlsSight& sight, const resolver::StsPolicy* sts);

} // namespace bulkmail::agent
