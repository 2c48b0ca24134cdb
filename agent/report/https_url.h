// An https address as a TLSRPT record names it (RFC 3986, RFC 8460 §3).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace bulkmail::agent {

struct HttpsUrl {
  std::string host; // canonical; no literal
  std::uint16_t port = 443;
  std::string path; // with its query; begins with "/"

  bool operator==(const HttpsUrl&) const = default;
};

// None: it is no such address, or has a user in it.
[[nodiscard]] std::optional<HttpsUrl> parse_https_url(std::string_view url);

} // namespace bulkmail::agent
