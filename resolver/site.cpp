#include "resolver/site.h"

#include "resolver/answer/answer.h"

#include <fmt/format.h>
#include <ldns/sha2.h>
#include <stdbool.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <vector>

namespace bulkmail::resolver {
namespace {

// Hosts that a name shows: a line of a table or of the log has room for so many.
constexpr std::size_t hosts_named = 4;

} // namespace

SiteKey SiteKey::of(std::string_view text) {
  std::array<unsigned char, LDNS_SHA256_DIGEST_LENGTH> digest;
  ldns_sha256(reinterpret_cast<const unsigned char*>(text.data()), static_cast<unsigned>(text.size()),
              digest.data());
  SiteKey key;
  for (std::size_t i = 0; i < 8; ++i) {
    key.high = key.high << 8 | digest[i];
    key.low = key.low << 8 | digest[8 + i];
  }
  return key;
}

SiteIdentity site_of(std::span<const MxData> hosts) {
  std::vector<MxData> sorted(hosts.begin(), hosts.end());
  std::ranges::sort(sorted);
  sorted.erase(std::ranges::unique(sorted).begin(), sorted.end());
  std::string whole; // a name has no space or comma in it
  SiteIdentity site;
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    if (i == hosts_named) site.name = fmt::format("{} and {} more", whole, sorted.size() - i);
    fmt::format_to(std::back_inserter(whole), "{}{} {}", i == 0 ? "" : ",", sorted[i].preference,
                   sorted[i].exchange);
  }
  site.key = SiteKey::of(whole);
  if (site.name.empty()) site.name = std::move(whole);
  return site;
}

} // namespace bulkmail::resolver
