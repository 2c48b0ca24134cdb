// What TLS has to prove about a mail host before mail goes there.
//
//   off            nothing: the session stays in clear
//   opportunistic  nothing: TLS where it is offered and works, else in clear (RFC 3207, RFC 7435)
//   encrypt        TLS, whatever the certificate
//   require        TLS, and a certificate that the trust store vouches for, in one of `names`
//   mta_sts        the same, because the recipient's domain asks for it (RFC 8461 §4.1); that the host is one of the
//                  policy's `mx` is seen to before it is connected to
//   dane           TLS, and a certificate that matches one of the host's TLSA records (RFC 7672); the trust store has no say
//
// A policy is of one host and one port. It is a plain value: nothing of it changes while a session lives.
#pragma once

#include "resolver/wire/tlsa.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace bulkmail::transport {

enum class TlsLevel : std::uint8_t { off, opportunistic, encrypt, require, mta_sts, dane };

// As status files say it: "none", "opportunistic", "encrypt", "require", "mta-sts", "dane".
[[nodiscard]] std::string_view to_string(TlsLevel level);

struct TlsPolicy {
  TlsLevel level = TlsLevel::opportunistic;
  std::string server_name; // told to the host (SNI, RFC 6066 §3); empty: an address has none
  std::vector<std::string>
      names; // of which the certificate has to bear one: the mail host's, for DANE the TLSA base
             // domain first. Not asked of a certificate that a usage 3 record matches
  std::vector<resolver::TlsaRecord> tlsa; // dane: never empty

  // No mail goes in clear.
  [[nodiscard]] bool required() const { return level > TlsLevel::opportunistic; }

  // No mail goes to a host that has not proved who it is.
  [[nodiscard]] bool authenticated() const { return level >= TlsLevel::require; }

  bool operator==(const TlsPolicy&) const = default;
};

} // namespace bulkmail::transport
