// An IPv4 or IPv6 address with what the program needs to know of it (RFC 6890 special blocks).
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace bulkmail::resolver {

struct IpAddress {
  enum class Family : std::uint8_t { v4, v6 } family = Family::v4;
  std::array<std::uint8_t, 16> bytes{}; // v4: the first four

  auto operator<=>(const IpAddress&) const = default;
  [[nodiscard]] std::string to_string() const;
  // Loopback, private, link-local, unspecified, multicast or reserved; any v4-mapped form; a NAT64 or 6to4
  // form that leads to such a v4 address. Documentation nets count as public: nothing answers there.
  [[nodiscard]] bool is_private() const;
  [[nodiscard]] bool is_loopback() const;
  // Strict: four decimal parts or RFC 4291 §2.2 text, no zone, no brackets.
  [[nodiscard]] static std::optional<IpAddress> parse(std::string_view text);
};

// Where to send packets or connect to.
struct Endpoint {
  IpAddress address;
  std::uint16_t port = 0;

  auto operator<=>(const Endpoint&) const = default;
  [[nodiscard]] std::string to_string() const; // "192.0.2.1:25", "[2001:db8::1]:25"
  // "192.0.2.1", "192.0.2.1:25", "2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:25".
  [[nodiscard]] static std::optional<Endpoint> parse(std::string_view text, std::uint16_t default_port);
};

} // namespace bulkmail::resolver
