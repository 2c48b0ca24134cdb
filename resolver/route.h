// How a recipient domain is reached: its mail hosts in order of preference with their addresses (RFC 5321
// §5), and the Site, the identity of the set of mail hosts that limits and queues hang on.
#pragma once

#include "resolver/address.h"
#include "resolver/dice.h"
#include "resolver/policy/dane.h"
#include "resolver/site.h"

#include <chrono>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bulkmail {
using Monotonic = std::chrono::steady_clock::time_point;
} // namespace bulkmail

namespace bulkmail::resolver {

struct MailHost {
  std::string name; // lower case, no final dot; for a literal "[192.0.2.1]"
  std::uint16_t preference = 0;
  std::vector<IpAddress> addresses; // as resolved; families mixed; capped
  std::shared_ptr<const Dane>
      dane{}; // what its certificate must match; null: the DNS says nothing of it for certain
};

// Why a domain cannot be reached, now or ever.
struct RouteFailure {
  bool permanent = false;
  std::string status;  // "5.1.2", "5.1.10", "5.4.4", "5.4.6", "4.4.3"
  std::string text;    // "no such domain d1.example"
  bool policy = false; // private_targets refused it: source is `policy`, else `dns`
  Monotonic until{};   // may be kept so long
};

struct Route {
  std::string domain;                // canonical A-label form
  std::vector<MailHost> hosts;       // usable ones, by preference; never empty
  std::vector<std::string> unusable; // the names of the other hosts of the MX set
  SiteKey site_key;                  // of the whole MX set, also of the hosts that are not usable now
  std::string site;                  // its name, for people
  bool implicit = false;             // no MX: the domain's own address
  bool secure = false;               // DNSSEC proves the MX set, or that there is none (a trusted AD bit)
  SiteKey dane_key;                  // of all hosts' Dane; sessions are for routes that agree in it
  Monotonic expires{};               // never used later than this
  std::vector<std::string> remarks;  // worth a log line: "MX mx1.d1.example of d1.example is an alias"

  [[nodiscard]] bool has_host(std::string_view name) const; // usable or not

  // The order in which one session tries the hosts: equals shuffled anew (RFC 5321 §5.1).
  [[nodiscard]] std::vector<const MailHost*> draw(Dice& dice) const;
};

using RouteAnswer = std::expected<Route, RouteFailure>;

// The A-label, lower-case form of a domain as it stands in an address (IDNA2008 by libidn2), or why it has
// none: label > 63, name > 253, empty label, NUL. Literals ("[192.0.2.1]", "[IPv6:…]") come back normalised.
[[nodiscard]] std::expected<std::string, std::string> canonical_domain(std::string_view domain);

} // namespace bulkmail::resolver
