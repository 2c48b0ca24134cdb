#include "agent/queue/destination.h"

#include "resolver/address.h"
#include "resolver/route.h"

#include <fmt/format.h>

#include <charconv>

namespace bulkmail::agent {
namespace {

// What is connected to as one address: sun_path has 108 octets with the final NUL, and libuv cuts in silence.
constexpr std::size_t longest_socket = 107;

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc{} || end != text.data() + text.size() || port == 0) return std::nullopt;
  return port;
}

// The literal of an address, "[192.0.2.1]" or "[IPv6:2001:db8::1]", with or without its tag; a name as it is.
std::string host_text(std::string_view inner) {
  const auto address = resolver::IpAddress::parse(inner);
  if (address)
    return fmt::format("[{}{}]", address->family == resolver::IpAddress::Family::v6 ? "IPv6:" : "", inner);
  return inner.starts_with("IPv6:") ? fmt::format("[{}]", inner) : std::string(inner);
}

} // namespace

std::expected<Destination, std::string> Destination::parse(std::string_view text) {
  const auto wrong = [&] {
    return std::unexpected(fmt::format(
        "\"{}\" leads nowhere: write \"relay.example\", \"[relay.example]\" or \"[192.0.2.1]\", each with "
        "\":587\" if need be, or \"unix:/path\"",
        text));
  };
  Destination destination;
  if (text.starts_with("unix:")) {
    destination.socket = text.substr(5);
    if (!destination.socket.starts_with('/') || destination.socket.size() > longest_socket) return wrong();
    return destination;
  }
  const bool bracketed = text.starts_with('[');
  const auto close = bracketed ? text.find(']') : text.npos;
  if (bracketed && close == text.npos) return wrong();
  const auto colon = text.find(':', bracketed ? close : 0);
  if (colon != text.npos) {
    destination.port = parse_port(text.substr(colon + 1));
    if (!destination.port) return wrong();
  }
  std::string_view host = text.substr(0, colon);
  if (bracketed) {
    if (close + 1 != host.size()) return wrong();
    host = host.substr(1, close - 1);
  }
  const auto name = resolver::canonical_domain(bracketed ? host_text(host) : host);
  if (!name || (!bracketed && resolver::IpAddress::parse(*name))) return wrong();
  destination.target = resolver::Target{.domain = *name, .port = 0, .host = bracketed};
  return destination;
}

} // namespace bulkmail::agent
