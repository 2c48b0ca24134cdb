#include "agent/report/https_url.h"

#include "resolver/route.h"

#include <charconv>
#include <utility>

namespace bulkmail::agent {

std::optional<HttpsUrl> parse_https_url(std::string_view url) {
  constexpr std::string_view scheme = "https://";
  if (!url.starts_with(scheme)) return std::nullopt;
  url = url.substr(0, url.find('#'));
  url.remove_prefix(scheme.size());
  const std::size_t end = url.find_first_of("/?");
  std::string_view authority = url.substr(0, end);
  HttpsUrl parsed;
  parsed.path = end == url.npos ? "/" : std::string(url.substr(end));
  if (parsed.path.front() != '/') parsed.path.insert(0, 1, '/');
  if (const std::size_t colon = authority.rfind(':'); colon != authority.npos) {
    const std::string_view digits = authority.substr(colon + 1);
    const auto [read, error] = std::from_chars(digits.data(), digits.data() + digits.size(), parsed.port);
    if (error != std::errc{} || read != digits.data() + digits.size() || parsed.port == 0)
      return std::nullopt;
    authority = authority.substr(0, colon);
  }
  if (authority.empty() || authority.find_first_of("@[]:") != authority.npos) return std::nullopt;
  auto host = resolver::canonical_domain(authority);
  if (!host) return std::nullopt;
  parsed.host = *std::move(host);
  return parsed;
}

} // namespace bulkmail::agent
