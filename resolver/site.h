// What a Site is: a set of mail hosts with their preferences, as the DNS names it, usable or not. Its key is its identity;
// its name is for people, and two may read alike.
#pragma once

#include <compare>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace bulkmail::resolver {

struct MxData; // answer/answer.h

// 128 bits of a SHA-256 (FIPS 180-4): whoever names his own mail hosts must not be able to find names that make his Site that
// of somebody else, whose mail would then go over sessions to him.
struct SiteKey {
  std::uint64_t high = 0, low = 0;

  // Of a text; texts that begin with a digit are mail hosts'.
  [[nodiscard]] static SiteKey of(std::string_view text);

  auto operator<=>(const SiteKey&) const = default;
};

struct SiteKeyHash {
  std::size_t operator()(const SiteKey& key) const { return static_cast<std::size_t>(key.low); }
};

struct SiteIdentity {
  SiteKey key;
  std::string name; // "10 mx1.d1.example,20 mx2.d1.example", cut short when it is long
};

// Of mail hosts in any order; lower-case A-labels or literals. An implicit MX is the MX with preference 0 that RFC 5321 §5.1
// calls it: a domain that publishes just that has the same Site.
[[nodiscard]] SiteIdentity site_of(std::span<const MxData> hosts);

} // namespace bulkmail::resolver
