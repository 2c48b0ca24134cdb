// What a mail host of the world has of TLS (README.md, "TLS"): its certificate, good or bad, made by the world's authority.
#pragma once

#include "tests/tls/peer.h"
#include "tests/world/fields.h"

#include <optional>
#include <string>
#include <vector>

namespace bulkmail::world {

struct HostTls {
  enum class Certificate : std::uint8_t { valid, self_signed, expired };

  Certificate certificate = Certificate::valid;
  std::vector<std::string> names; // in it; empty: the host's own, and its addresses
  test::TlsHost::Versions versions = test::TlsHost::Versions::any;
  bool offered = true;   // STARTTLS stands in the reply to EHLO
  bool implicit = false; // from the first octet

  static HostTls read(const Json& value, const std::string& path);

  [[nodiscard]] test::Identity identity(const test::Authority& authority, const std::string& host,
                                        const std::vector<std::string>& addresses) const;

  bool operator==(const HostTls&) const = default;
};

} // namespace bulkmail::world
