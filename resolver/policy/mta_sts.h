// MTA-STS (RFC 8461): what a domain says in the DNS and over HTTPS about the TLS of its mail hosts. Bytes in, policy out.
//
// Nothing here asks anybody: who does takes the id from the domain's TXT records, and if that is new the policy from
// `https://mta-sts.DOMAIN/.well-known/mta-sts.txt`. A text that is no policy says nothing; it never makes one stricter or
// laxer that is known already.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bulkmail::resolver {

struct StsPolicy {
  enum class Mode : std::uint8_t {
    none,    // the domain has withdrawn its policy
    testing, // mail goes as if there were none, and the domain is told what would have happened
    enforce,
  } mode = Mode::none;
  std::vector<std::string>
      mx; // "mx1.example.org", "*.example.org"; lower-case A-labels; empty only with `none`
  std::chrono::seconds max_age{0};

  // Whether the domain means that mail host (§4.1): a "*." stands for one label, whole.
  [[nodiscard]] bool allows(std::string_view host) const;

  bool operator==(const StsPolicy&) const = default;
};

[[nodiscard]] std::string_view to_string(StsPolicy::Mode mode);

constexpr std::size_t sts_max_policy = 65'536;          // octets; RFC 8461 §3.3 proposes 64 KB
constexpr std::size_t sts_max_patterns = 200;           // the largest sites name a few dozen
constexpr std::chrono::seconds sts_max_age{31'557'600}; // a year (§3.2)

// The policy file (§3.2): lines that end in LF or CRLF, `version` first, unknown fields passed over, the first of a field that
// stands twice. Or why it is none.
[[nodiscard]] std::expected<StsPolicy, std::string> parse_sts_policy(std::string_view text);

// Where it is fetched from; `domain` is canonical.
[[nodiscard]] std::string sts_policy_host(std::string_view domain);
constexpr std::string_view sts_policy_path = "/.well-known/mta-sts.txt";
// The name whose TXT records tell the id.
[[nodiscard]] std::string sts_record_name(std::string_view domain);

// The id in the TXT records of that name (§3.1). None: the domain does not do MTA-STS, which is also said by two records that
// claim to be the one.
[[nodiscard]] std::optional<std::string> sts_id(std::span<const std::string> records);

} // namespace bulkmail::resolver
