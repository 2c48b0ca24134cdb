// What is known of one question: immutable, shared by the cache and by all that asked.
#pragma once

#include "resolver/address.h"
#include "resolver/route.h"

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace bulkmail::resolver {

// How long what is known may be used.
using std::chrono::seconds;
constexpr seconds longest_positive{86'400}; // a day: RFC 2181 §8 would allow 68 years
constexpr seconds longest_negative{3'600};  // RFC 2308 §5 finds one to three hours sensible
constexpr seconds longest_doubt{5};         // SERVFAIL, REFUSED, time-outs, broken answers
constexpr seconds no_ttl{1};                // TTL 0: for those who are asking just now, and not in the cache

constexpr int max_aliases = 10; // CNAMEs from a name to its records; what is longer is taken for a loop
constexpr std::size_t max_hosts = 100;    // of a domain, the best preferences
constexpr std::size_t max_addresses = 30; // of a host
// TLSA records of a host: two of each kind that makes sense are a dozen. TXT records of a name: one is looked for, and
// some domains keep all they have been asked to prove under one name.
constexpr std::size_t max_tlsa = 32, max_texts = 64;
// Of one: certificates are a quarter of this. What is longer is known to be there, and is not kept.
constexpr std::size_t max_record = 8192;

struct MxData {
  std::uint16_t preference = 0;
  std::string exchange; // "." is the null MX (RFC 7505)

  auto operator<=>(const MxData&) const = default;
};

struct Answer {
  enum class Kind : std::uint8_t {
    found,   // `hosts`, `addresses`, `tlsa` or `texts`
    no_data, // the name exists, but has no such record
    no_name, // the name does not exist (NXDOMAIN)
    alias,   // the name is an alias of `owner`, of which this answer says no more
    doubt,   // nothing is known; `text` says why
  } kind = Kind::doubt;
  std::string owner;         // the name at the end of the CNAME chain
  int aliases = 0;           // links of that chain
  std::vector<MxData> hosts; // sorted by preference and name, each name once
  std::vector<IpAddress> addresses;
  std::vector<TlsaRecord> tlsa;
  std::vector<std::string> texts; // of TXT records, the strings of each joined
  std::string text;
  Monotonic expires{};
  bool cacheable = true;
  bool secure = false; // all of it, by a server that is trusted to know (RFC 4035 §3.2.3)
};

// What ran out while other questions were still open may be used for the mail that asked, as with a TTL of 0; without
// this such mail would ask for ever.
[[nodiscard]] inline Monotonic usable_until(Monotonic expires, Monotonic now) {
  return expires > now ? expires : now + no_ttl;
}

[[nodiscard]] Answer doubt(std::string name, std::string text, Monotonic now);

} // namespace bulkmail::resolver
