// How TLS went with the mail hosts of each domain on one day, UTC: the counts that TLSRPT reports (RFC 8460 §4).
//
// Workers count their sessions in one, the office adds theirs up; both are bounded, as it is peers that fill them. A session
// counts once, for the domain of the mail that opened it, whatever it carries later.
#pragma once

#include <chrono>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bulkmail::agent {

// Why a session was not what the policy asks for (§4.3).
enum class TlsResult : std::uint8_t {
  starttls_not_supported,
  certificate_host_mismatch,
  certificate_expired,
  certificate_not_trusted,
  validation_failure, // all else that goes wrong in a handshake
  tlsa_invalid,       // no TLSA record matched, or none could be used
  dnssec_invalid,
  dane_required,
  sts_policy_fetch_error,
  sts_policy_invalid,
  sts_webpki_invalid,
};

[[nodiscard]] std::string_view to_string(TlsResult result); // "starttls-not-supported"
[[nodiscard]] std::optional<TlsResult> tls_result(std::string_view text);

// The policy that held for a session, as it was published (§4.4).
struct PublishedPolicy {
  enum class Type : std::uint8_t { none, sts, tlsa };
  Type type = Type::none;
  std::vector<std::string> text; // the policy's lines, or the TLSA records
  std::vector<std::string> mx;   // the hosts that it is about, as patterns

  auto operator<=>(const PublishedPolicy&) const = default;
};

[[nodiscard]] std::string_view to_string(PublishedPolicy::Type type); // "no-policy-found"
[[nodiscard]] std::optional<PublishedPolicy::Type> policy_type(std::string_view text);

// Sessions that failed alike are one entry of `failure-details`.
struct TlsFailure {
  TlsResult result = TlsResult::validation_failure;
  std::string mx;     // "" with those that are about no host
  std::string to;     // its address
  std::string from;   // ours, if it is known
  std::string reason; // of no standard form (`failure-reason-code`)

  auto operator<=>(const TlsFailure&) const = default;
};

struct TlsTally {
  std::uint64_t successes = 0, failures = 0;
  std::map<TlsFailure, std::uint64_t> details; // what goes beyond the bound is in `failures` alone

  bool operator==(const TlsTally&) const = default;
};

using TlsPolicies = std::map<PublishedPolicy, TlsTally>; // of one domain

class TlsDay {
 public:
  // Beyond them sessions go uncounted: a report is a sample then, and the agent's memory some ten MB at most.
  static constexpr std::size_t most_domains = 20'000;
  static constexpr std::size_t most_policies =
      20; // of a domain; a policy changes, and with DANE each host has one
  static constexpr std::size_t most_details = 100; // of a policy
  static constexpr std::size_t longest_reason = 200;

  // A session that went well, or did not.
  void count(const std::string& domain, const PublishedPolicy& policy,
             const std::optional<TlsFailure>& failure = {});
  void add(const std::string& domain, const PublishedPolicy& policy, const TlsTally& sessions);
  void add(const TlsDay& other);

  void forget(const std::string& domain) { domains_.erase(domain); }

  [[nodiscard]] const std::map<std::string, TlsPolicies>& domains() const { return domains_; }

  [[nodiscard]] const TlsPolicies* find(const std::string& domain) const;

  [[nodiscard]] bool empty() const { return domains_.empty(); }

  bool operator==(const TlsDay&) const = default;

 private:
  [[nodiscard]] TlsTally* tally(const std::string& domain, const PublishedPolicy& policy); // null: full

  std::map<std::string, TlsPolicies> domains_;
};

using Day = std::chrono::sys_days;
using TlsDays = std::map<Day, TlsDay>;

void add(TlsDays& to, const TlsDays& more);

} // namespace bulkmail::agent
