// Packets to and from values (RFC 1035, RFC 6891). Behind this header is ldns, and nowhere else.
#pragma once

#include "resolver/address.h"
#include "resolver/wire/question.h"
#include "resolver/wire/tlsa.h"

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bulkmail::resolver {

struct Record {
  std::string name;
  Type type = Type::a;
  std::uint32_t ttl = 0;        // seconds; over 2^31 counts as 0 (RFC 2181 §8)
  std::string target;           // MX, CNAME, NS: the name it leads to
  std::uint16_t preference = 0; // MX
  IpAddress address;            // A, AAAA
  std::uint32_t minimum = 0;    // SOA: RFC 2308 §4
  TlsaRecord tlsa;
  std::string text; // TXT: its strings, joined
};

// A response, as far as anyone here wants to know it.
struct Message {
  std::uint16_t rcode = 0;
  bool authoritative = false, recursion_available = false;
  bool authentic = false;        // the AD bit: whether it counts depends on the server (RFC 6840 §5.8)
  std::vector<Record> answer;    // A, AAAA, MX, CNAME, TLSA, TXT
  std::vector<Record> authority; // SOA, NS
};

// 1232: passes every path without fragments (DNS flag day 2020).
constexpr std::uint16_t edns_size = 1232;

// A query with RD set, and with AD if the answer's AD bit is wanted (RFC 6840 §5.7). `name` is sent in the very case it has.
// None: it has no wire form.
[[nodiscard]] std::optional<std::string> encode_query(const std::string& name, Type type, std::uint16_t id,
                                                      bool edns, bool authentic);

// Any octets may come. A packet that is not well formed to its end is an error that says why.
[[nodiscard]] std::expected<Message, std::string_view> decode(std::string_view packet);

} // namespace bulkmail::resolver
