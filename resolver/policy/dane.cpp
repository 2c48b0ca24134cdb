#include "resolver/policy/dane.h"

#include "resolver/route.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace bulkmail::resolver {
namespace {

constexpr std::size_t max_name = 253; // RFC 1035 §2.3.4, in text
constexpr std::uint8_t dane_ta = 2, dane_ee = 3;
constexpr std::uint8_t certificate = 0, public_key = 1;       // selectors
constexpr std::uint8_t exact = 0, sha2_256 = 1, sha2_512 = 2; // matching types

// One DER SEQUENCE from end to end, as certificates and public keys are (X.690 §8.1.3).
bool is_der_sequence(std::string_view data) {
  constexpr std::size_t longest = 3; // octets of a length: far above any certificate
  const auto octet = [&](std::size_t at) { return static_cast<std::uint8_t>(data[at]); };
  if (data.size() < 2 || octet(0) != 0x30) return false;
  if (octet(1) < 0x80) return data.size() == 2U + octet(1);
  const std::size_t octets = octet(1) & 0x7fU;
  if (octets == 0 || octets > longest || data.size() < 2 + octets) return false;
  std::size_t length = 0;
  for (std::size_t i = 0; i < octets; ++i) length = length << 8U | octet(2 + i);
  return data.size() == 2 + octets + length;
}

// Each part with its length before it, so that no two lists read alike.
void append(std::string& whole, std::string_view part) {
  fmt::format_to(std::back_inserter(whole), "{}:{}", part.size(), part);
}

SiteKey key_of(const Dane& dane) {
  std::string whole;
  append(whole, dane.base());
  bool any_names = false;
  for (const TlsaRecord& record : dane.records) {
    any_names |= record.usage == dane_ta;
    fmt::format_to(std::back_inserter(whole), "{} {} {} ", record.usage, record.selector, record.matching);
    append(whole, record.data);
  }
  // An authority may vouch for other names than the host's, which are good for the mail of one domain alone.
  if (any_names)
    for (const std::string& name : dane.names) append(whole, name);
  return SiteKey::of(whole);
}

} // namespace

bool is_usable(const TlsaRecord& record) {
  if (record.usage != dane_ta && record.usage != dane_ee) return false;
  if (record.selector != certificate && record.selector != public_key) return false;
  switch (record.matching) {
  case exact: return is_der_sequence(record.data);
  case sha2_256: return record.data.size() == 32;
  case sha2_512: return record.data.size() == 64;
  default: return false;
  }
}

std::shared_ptr<const Dane> make_dane(std::string base, const std::string& domain,
                                      const std::string& canonical, std::span<const TlsaRecord> records) {
  Dane dane;
  dane.names.push_back(std::move(base));
  for (const std::string& name : {domain, canonical})
    if (std::ranges::find(dane.names, name) == dane.names.end()) dane.names.push_back(name);
  std::ranges::copy_if(records, std::back_inserter(dane.records), is_usable);
  std::ranges::sort(dane.records);
  const auto repeated = std::ranges::unique(dane.records);
  dane.records.erase(repeated.begin(), repeated.end());
  dane.key = key_of(dane);
  return std::make_shared<const Dane>(std::move(dane));
}

SiteKey dane_key(std::span<const MailHost> hosts) {
  std::string whole;
  for (const MailHost& host : hosts) {
    if (host.dane == nullptr) continue;
    append(whole, host.name);
    fmt::format_to(std::back_inserter(whole), "{:016x}{:016x}", host.dane->key.high, host.dane->key.low);
  }
  return whole.empty() ? SiteKey{} : SiteKey::of(whole);
}

std::optional<std::string> tlsa_name(std::string_view base, std::uint16_t port) {
  std::string name = fmt::format("_{}._tcp.{}", port, base);
  if (name.size() > max_name) return std::nullopt;
  return name;
}

} // namespace bulkmail::resolver
