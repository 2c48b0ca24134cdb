// What a Route is wanted to.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace bulkmail::resolver {

struct Target {
  std::string domain;      // as it stands in an address, a literal, or the name of a host
  std::uint16_t port = 25; // where its hosts take mail; TLSA records are a port's
  // Named by the configuration as a host: no MX is asked for, and its addresses may be any, private ones and this
  // machine's own too.
  bool host = false;

  bool operator==(const Target&) const = default;
};

struct TargetHash {
  std::size_t operator()(const Target& target) const {
    return std::hash<std::string>()(target.domain) ^
           (std::size_t{target.port} << 1U | std::size_t{target.host});
  }
};

} // namespace bulkmail::resolver
