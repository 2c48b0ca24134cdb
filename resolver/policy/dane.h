// What the DNS proves of a mail host's certificate: DANE for SMTP (RFC 6698, RFC 7671, RFC 7672), as rules alone.
//
// It begins with answers that carry a trusted AD bit, all of them: the domain's MX records, the host's addresses, its TLSA
// records. Where one doesn't, there is no DANE; where one can't be had, the host can't be used. Nothing ever leads from the
// second to the first, as that is what somebody on the path would want.
#pragma once

#include "resolver/site.h"
#include "resolver/wire/tlsa.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bulkmail::resolver {

struct MailHost; // route.h

// A mail host has this if it has TLSA records. TLS is then mandatory: nothing is sent to it in clear.
struct Dane {
  // Those that can be used for SMTP, sorted. Empty: there are others alone; TLS then needs no certificate that holds (RFC
  // 7672 §2.2).
  std::vector<TlsaRecord> records;
  // The reference identities for usage DANE-TA (RFC 7672 §3.2.2). The first is the TLSA base domain, which is also said in
  // SNI (§8.1); then the domain that mail is for and the name that it is an alias of.
  std::vector<std::string> names;
  // Of all that a certificate is judged by: what was proved under one key says nothing under another (sessions, tickets).
  SiteKey key;

  [[nodiscard]] const std::string& base() const { return names.front(); }

  [[nodiscard]] bool authenticates() const { return !records.empty(); }
};

// Usages 2 and 3 (RFC 7672 §3.1), selectors 0 and 1, matching types 0, 1 and 2, with data of a length that fits.
[[nodiscard]] bool is_usable(const TlsaRecord& record);

// Of the records found at a base domain, for the mail of a domain whose name at the end of its CNAMEs is `canonical`.
[[nodiscard]] std::shared_ptr<const Dane> make_dane(std::string base, const std::string& domain,
                                                    const std::string& canonical,
                                                    std::span<const TlsaRecord> records);

// Of all that `hosts` have; zero: none has DANE. Routes whose keys differ must not share sessions.
[[nodiscard]] SiteKey dane_key(std::span<const MailHost> hosts);

// "_25._tcp.mx1.d1.example"; none: it would be longer than a name can be, so it has no records.
[[nodiscard]] std::optional<std::string> tlsa_name(std::string_view base, std::uint16_t port);

} // namespace bulkmail::resolver
