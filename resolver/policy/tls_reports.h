// Who wants to hear how TLS went with a domain's mail hosts (TLSRPT, RFC 8460 §3). Bytes in, addresses out.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bulkmail::resolver {

struct TlsReportAddress {
  bool https = false;  // a URL to POST to; else mail
  std::string address; // "reports@example.org", "https://reports.example.org/v1"

  bool operator==(const TlsReportAddress&) const = default;
};

constexpr std::size_t most_report_addresses = 10; // of one domain

// The name whose TXT records tell.
[[nodiscard]] std::string tls_report_record_name(std::string_view domain);

// Empty: nobody, which is also said by two records that claim to be the one. Addresses of other schemes, or that are none, are
// left out.
[[nodiscard]] std::vector<TlsReportAddress> tls_report_addresses(std::span<const std::string> records);

} // namespace bulkmail::resolver
