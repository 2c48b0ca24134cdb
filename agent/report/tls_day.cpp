#include "agent/report/tls_day.h"

#include <algorithm>
#include <array>
#include <utility>

namespace bulkmail::agent {
namespace {

constexpr auto results = std::to_array<std::string_view>({
    "starttls-not-supported",
    "certificate-host-mismatch",
    "certificate-expired",
    "certificate-not-trusted",
    "validation-failure",
    "tlsa-invalid",
    "dnssec-invalid",
    "dane-required",
    "sts-policy-fetch-error",
    "sts-policy-invalid",
    "sts-webpki-invalid",
});

constexpr auto types = std::to_array<std::string_view>({"no-policy-found", "sts", "tlsa"});

template <class Enum, std::size_t size>
std::optional<Enum> find_word(const std::array<std::string_view, size>& words, std::string_view word) {
  const auto found = std::ranges::find(words, word);
  if (found == words.end()) return std::nullopt;
  return static_cast<Enum>(found - words.begin());
}

} // namespace

std::string_view to_string(TlsResult result) { return results[static_cast<std::size_t>(result)]; }

std::optional<TlsResult> tls_result(std::string_view text) { return find_word<TlsResult>(results, text); }

std::string_view to_string(PublishedPolicy::Type type) { return types[static_cast<std::size_t>(type)]; }

std::optional<PublishedPolicy::Type> policy_type(std::string_view text) {
  return find_word<PublishedPolicy::Type>(types, text);
}

TlsTally* TlsDay::tally(const std::string& domain, const PublishedPolicy& policy) {
  auto of_domain = domains_.find(domain);
  if (of_domain == domains_.end()) {
    if (domains_.size() >= most_domains) return nullptr;
    of_domain = domains_.try_emplace(domain).first;
  }
  TlsPolicies& policies = of_domain->second;
  auto known = policies.find(policy);
  if (known == policies.end()) {
    if (policies.size() >= most_policies) return nullptr;
    known = policies.try_emplace(policy).first;
  }
  return &known->second;
}

void TlsDay::count(const std::string& domain, const PublishedPolicy& policy,
                   const std::optional<TlsFailure>& failure) {
  TlsTally one;
  if (failure) {
    one.failures = 1;
    TlsFailure detail = *failure;
    detail.reason.resize(std::min(detail.reason.size(), longest_reason));
    one.details.emplace(std::move(detail), 1);
  } else {
    one.successes = 1;
  }
  add(domain, policy, one);
}

void TlsDay::add(const std::string& domain, const PublishedPolicy& policy, const TlsTally& sessions) {
  TlsTally* const sum = tally(domain, policy);
  if (sum == nullptr) return;
  sum->successes += sessions.successes;
  sum->failures += sessions.failures;
  for (const auto& [detail, count] : sessions.details) {
    if (const auto known = sum->details.find(detail); known != sum->details.end())
      known->second += count;
    else if (sum->details.size() < most_details)
      sum->details.emplace(detail, count);
  }
}

void TlsDay::add(const TlsDay& other) {
  for (const auto& [domain, policies] : other.domains_)
    for (const auto& [policy, sessions] : policies) add(domain, policy, sessions);
}

const TlsPolicies* TlsDay::find(const std::string& domain) const {
  const auto known = domains_.find(domain);
  return known == domains_.end() ? nullptr : &known->second;
}

void add(TlsDays& to, const TlsDays& more) {
  for (const auto& [day, counts] : more) to[day].add(counts);
}

} // namespace bulkmail::agent
