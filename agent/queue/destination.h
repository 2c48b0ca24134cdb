// Where a route leads, as `to` says it: a host, "relay.example", whose MX is asked for; "[relay.example]" or "[192.0.2.1]",
// for which none is; either with ":587" behind it; or a unix socket, "unix:/run/lmtp".
#pragma once

#include "resolver/target.h"

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

namespace bulkmail::agent {

struct Destination {
  std::optional<resolver::Target> target; // its port is not said; none: `socket` it is
  std::optional<std::uint16_t> port;
  std::string socket;

  // Or what is wrong with it.
  [[nodiscard]] static std::expected<Destination, std::string> parse(std::string_view text);
};

} // namespace bulkmail::agent
