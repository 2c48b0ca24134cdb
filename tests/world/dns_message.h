// DNS messages of the world (RFC 1035 §4): reads a question, writes an answer, and knows no more than a test
// needs. Written without a library on purpose: what bulkmail's resolver is tested against must not share its
// decoder.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bulkmail::world {

namespace dns {
inline constexpr std::uint16_t a = 1, ns = 2, cname = 5, soa = 6, mx = 15, txt = 16, aaaa = 28, opt = 41;

enum class Rcode : std::uint16_t {
  noerror = 0,
  formerr = 1,
  servfail = 2,
  nxdomain = 3,
  notimp = 4,
  refused = 5
};

struct Query {
  std::uint16_t id = 0;
  std::uint16_t type = 0;
  bool recursion_desired = false;
  bool ad = false; // AD, or DO in EDNS
  bool edns = false;
  std::uint16_t udp_size = 512;
  std::string question; // as on the wire: name, type, class
  std::string name;     // lower case, dotted; bytes that are no host name's as \DDD

  static std::optional<Query> read(std::string_view packet);
};

struct Record {
  std::string owner; // dotted; equal to the question's name: a pointer to it
  std::uint16_t type;
  std::uint32_t ttl;
  std::string data; // RDATA on the wire
};

struct Response {
  Rcode rcode = Rcode::noerror;
  bool authenticated = false;
  bool truncated = false;
  bool recursion_available = true;
  std::vector<Record> answers = {}, authority = {};
};

std::string write(const Query& query, const Response& response);
// A header with these counts, the question, then any bytes.
std::string write_raw(const Query& query, const std::array<std::uint16_t, 4>& counts, std::string_view bytes);

std::string wire_name(std::string_view dotted);
std::string wire_u16(std::uint16_t value);
std::string wire_u32(std::uint32_t value);
[[nodiscard]] bool
is_valid_name(std::string_view dotted); // labels of 1 to 63 bytes, 253 in all; the root is ""

std::string type_name(std::uint16_t type);
} // namespace dns

} // namespace bulkmail::world
