// A TLSA record as it stands in the DNS (RFC 6698 §2.1), whatever it says.
#pragma once

#include <cstdint>
#include <string>

namespace bulkmail::resolver {

struct TlsaRecord {
  std::uint8_t usage = 0, selector = 0, matching = 0;
  std::string data; // octets

  auto operator<=>(const TlsaRecord&) const = default;
};

} // namespace bulkmail::resolver
