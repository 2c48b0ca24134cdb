#include "agent/run/tls_sight.h"

#include <fmt/format.h>

#include <iterator>

namespace bulkmail::agent {
namespace {

// As in a zone (RFC 6698 §2.2): "3 1 1 8bd1…".
std::string zone_text(const resolver::TlsaRecord& record) {
  std::string text = fmt::format("{} {} {} ", record.usage, record.selector, record.matching);
  for (const char c : record.data)
    fmt::format_to(std::back_inserter(text), "{:02x}", static_cast<unsigned char>(c));
  return text;
}

PublishedPolicy published(const transport::TlsPolicy& policy, const std::string& host) {
  PublishedPolicy tlsa{PublishedPolicy::Type::tlsa, {}, {host}};
  for (const auto& record : policy.tlsa) tlsa.text.push_back(zone_text(record));
  return tlsa;
}

// Line by line (RFC 8461 §3.2).
PublishedPolicy published(const resolver::StsPolicy& policy) {
  PublishedPolicy sts{PublishedPolicy::Type::sts, {"version: STSv1"}, policy.mx};
  sts.text.push_back(fmt::format("mode: {}", to_string(policy.mode)));
  for (const auto& pattern : policy.mx) sts.text.push_back("mx: " + pattern);
  sts.text.push_back(fmt::format("max_age: {}", policy.max_age.count()));
  return sts;
}

} // namespace

TlsResult tls_result(transport::TlsFault fault) {
  using transport::TlsFault;
  switch (fault) {
  case TlsFault::name: return TlsResult::certificate_host_mismatch;
  case TlsFault::expired: return TlsResult::certificate_expired;
  case TlsFault::untrusted: return TlsResult::certificate_not_trusted;
  case TlsFault::tlsa: return TlsResult::tlsa_invalid;
  case TlsFault::handshake: break;
  }
  return TlsResult::validation_failure;
}

void count(TlsDay& day, const std::string& domain, const TlsSight& sight, const resolver::StsPolicy* sts) {
  PublishedPolicy policy;
  std::optional<TlsResult> result = sight.failure;
  std::string reason = sight.reason;
  if (sight.policy.level == transport::TlsLevel::dane) {
    policy = published(sight.policy, sight.host);
  } else if (sts != nullptr) {
    policy = published(*sts);
    if (!result && !sts->allows(sight.host)) {
      result = TlsResult::validation_failure;
      reason = "the policy does not name this host";
    } else if (!result && sight.flaw) {
      result = tls_result(*sight.flaw);
    }
  }
  std::optional<TlsFailure> failure;
  if (result) failure = TlsFailure{*result, sight.host, sight.address, sight.source, std::move(reason)};
  day.count(domain, policy, failure);
}

} // namespace bulkmail::agent
