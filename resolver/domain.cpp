// Domains as they stand in addresses, brought to the one form in which they are compared, looked up and
// queued.
#include "resolver/route.h"

#include <fmt/format.h>
#include <idn2.h>

#include <algorithm>
#include <memory>

namespace bulkmail::resolver {
namespace {

constexpr std::size_t max_label = 63; // RFC 1035 §2.3.4
constexpr std::size_t max_name = 253; // 255 octets on the wire
// A U-label of 63 A-label octets has less than 63 characters of up to 4 octets: longer input is never right.
constexpr std::size_t max_input = 4 * max_name;

using Result = std::expected<std::string, std::string>;

bool is_ascii(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

bool allowed(char c) { // letters, digits, hyphen; underscores exist in real host names
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

Result checked_ascii(std::string name) {
  std::size_t label = 0;
  for (char& c : name) {
    if (c == '.') {
      if (label == 0) return std::unexpected("the domain has an empty label");
      label = 0;
      continue;
    }
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    if (!allowed(c)) {
      return std::unexpected(fmt::format("the domain has an octet {:#04x}", static_cast<unsigned char>(c)));
    }
    if (++label > max_label) return std::unexpected("the domain has a label of more than 63 octets");
  }
  if (!name.empty() && label == 0) name.pop_back(); // the final dot
  if (name.empty()) return std::unexpected("the domain is empty");
  if (name.size() > max_name) return std::unexpected("the domain has more than 253 octets");
  return name;
}

Result to_a_labels(const std::string& name) {
  // IDNA2008 with the non-transitional mapping of UTS #46: what browsers and other mailers look up.
  std::uint8_t* found = nullptr;
  const int status = idn2_lookup_u8(reinterpret_cast<const std::uint8_t*>(name.c_str()), &found,
                                    IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
  const std::unique_ptr<std::uint8_t, void (*)(void*)> owner(found, idn2_free);
  if (status != IDN2_OK) {
    return std::unexpected(fmt::format("the domain has no A-label form: {}", idn2_strerror(status)));
  }
  return checked_ascii(reinterpret_cast<const char*>(found));
}

Result literal(std::string_view inner) {
  constexpr std::string_view tag = "IPv6:";
  const bool tagged =
      inner.size() > tag.size() && std::ranges::equal(inner.substr(0, tag.size()), tag, [](char a, char b) {
        return a == b ||
               (a >= 'A' && a <= 'Z' ? a + ('a' - 'A') : a) == (b >= 'A' && b <= 'Z' ? b + ('a' - 'A') : b);
      });
  const auto address = IpAddress::parse(tagged ? inner.substr(tag.size()) : inner);
  if (!address || tagged != (address->family == IpAddress::Family::v6)) {
    return std::unexpected("the address literal is malformed");
  }
  return fmt::format("[{}{}]", tagged ? tag : "", address->to_string());
}

} // namespace

std::expected<std::string, std::string> canonical_domain(std::string_view domain) {
  if (domain.find('\0') != domain.npos) return std::unexpected("the domain has a NUL");
  if (domain.size() > max_input) return std::unexpected("the domain is too long");
  if (domain.size() > 2 && domain.starts_with('[') && domain.ends_with(']')) {
    return literal(domain.substr(1, domain.size() - 2));
  }
  std::string name(domain);
  return is_ascii(name) ? checked_ascii(std::move(name)) : to_a_labels(name);
}

} // namespace bulkmail::resolver
