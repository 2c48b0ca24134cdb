#include "resolver/address.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <initializer_list>
#include <span>

namespace bulkmail::resolver {
namespace {

struct Block {
  std::array<std::uint8_t, 16> prefix;
  std::uint8_t bits;
};

// RFC 6890 and its updates: what is not a public unicast address. 192.0.2.0/24 and its like are left public:
// nothing can be reached there.
constexpr Block private_v4[] = {
    {{0}, 8},          // this network (RFC 791)
    {{10}, 8},         // RFC 1918
    {{100, 64}, 10},   // shared by carriers (RFC 6598)
    {{127}, 8},        // loopback
    {{169, 254}, 16},  // link-local (RFC 3927), cloud metadata services
    {{172, 16}, 12},   // RFC 1918
    {{192, 0, 0}, 24}, // protocol assignments
    {{192, 168}, 16},  // RFC 1918
    {{224}, 4},        // multicast
    {{240}, 4},        // reserved, broadcast
};
constexpr Block private_v6[] = {
    {{0}, 96},                                        // ::, ::1, v4-compatible
    {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 96}, // v4-mapped: never right in the DNS
    {{0, 0x64, 0xff, 0x9b, 0, 1}, 48},                // NAT64 of a site's own (RFC 8215)
    {{1}, 64},                                        // 100::/64, discard (RFC 6666)
    {{0xfc}, 7},                                      // unique local (RFC 4193)
    {{0xfe, 0x80}, 10},                               // link-local
    {{0xfe, 0xc0}, 10},                               // site-local (RFC 3879)
    {{0xff}, 8},                                      // multicast
};
constexpr Block nat64{{0, 0x64, 0xff, 0x9b}, 96}; // RFC 6052: the v4 address is in the last four bytes
constexpr Block six_to_four{{0x20, 0x02}, 16};    // RFC 3056: in bytes 2 to 5

bool within(const std::array<std::uint8_t, 16>& bytes, const Block& block) {
  const std::size_t whole = block.bits / 8U;
  if (!std::equal(bytes.begin(), bytes.begin() + whole, block.prefix.begin())) return false;
  const unsigned rest = block.bits % 8U;
  if (rest == 0) return true;
  const unsigned mask = 0xffU << (8 - rest) & 0xffU;
  return ((bytes[whole] ^ block.prefix[whole]) & mask) == 0;
}

bool within_any(const std::array<std::uint8_t, 16>& bytes, std::span<const Block> blocks) {
  return std::ranges::any_of(blocks, [&](const Block& block) { return within(bytes, block); });
}

IpAddress embedded_v4(const IpAddress& address, std::size_t at) {
  IpAddress inner;
  std::copy_n(address.bytes.begin() + static_cast<std::ptrdiff_t>(at), 4, inner.bytes.begin());
  return inner;
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc{} || end != text.data() + text.size() || port == 0) return std::nullopt;
  return port;
}

} // namespace

std::string IpAddress::to_string() const {
  char text[INET6_ADDRSTRLEN] = "";
  inet_ntop(family == Family::v4 ? AF_INET : AF_INET6, bytes.data(), text, sizeof text);
  return text;
}

bool IpAddress::is_private() const {
  if (family == Family::v4) return within_any(bytes, private_v4);
  if (within(bytes, nat64)) return embedded_v4(*this, 12).is_private();
  if (within(bytes, six_to_four)) return embedded_v4(*this, 2).is_private();
  return within_any(bytes, private_v6);
}

bool IpAddress::is_loopback() const {
  if (family == Family::v4) return bytes[0] == 127;
  static constexpr std::array<std::uint8_t, 16> one{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  return bytes == one;
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  if (text.size() >= INET6_ADDRSTRLEN || text.find('\0') != text.npos) return std::nullopt;
  char terminated[INET6_ADDRSTRLEN] = "";
  std::ranges::copy(text, terminated);
  IpAddress address;
  address.family = text.find(':') == text.npos ? Family::v4 : Family::v6;
  const int family = address.family == Family::v4 ? AF_INET : AF_INET6;
  if (inet_pton(family, terminated, address.bytes.data()) != 1) return std::nullopt;
  return address;
}

std::string Endpoint::to_string() const {
  if (address.family == IpAddress::Family::v4) return fmt::format("{}:{}", address.to_string(), port);
  return fmt::format("[{}]:{}", address.to_string(), port);
}

std::optional<Endpoint> Endpoint::parse(std::string_view text, std::uint16_t default_port) {
  std::string_view host = text;
  std::optional<std::uint16_t> port = default_port;
  bool bracketed = false;
  if (text.starts_with('[')) {
    const std::size_t close = text.find(']');
    if (close == text.npos) return std::nullopt;
    host = text.substr(1, close - 1);
    const std::string_view rest = text.substr(close + 1);
    if (!rest.empty()) port = rest.front() == ':' ? parse_port(rest.substr(1)) : std::nullopt;
    bracketed = true;
  } else if (std::ranges::count(text, ':') == 1) {
    const std::size_t colon = text.find(':');
    host = text.substr(0, colon);
    port = parse_port(text.substr(colon + 1));
  }
  const auto address = IpAddress::parse(host);
  if (!address || !port) return std::nullopt;
  if (bracketed && address->family != IpAddress::Family::v6) return std::nullopt;
  return Endpoint{*address, *port};
}

} // namespace bulkmail::resolver
