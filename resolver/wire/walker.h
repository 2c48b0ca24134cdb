// Walks over a packet before anything else reads it: every count, length and compression pointer is checked
// and bounded here (RFC 1035 §4.1), so that what decodes the records afterwards cannot be led out of the
// packet, into a loop, or into more work than a packet is worth. Linear in the packet's size.
#pragma once

#include "resolver/wire/question.h"

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string_view>
#include <vector>

namespace bulkmail::resolver {

constexpr std::size_t header_size = 12;

struct Header {
  std::uint16_t id = 0;
  bool response = false, authoritative = false, truncated = false, recursion_available = false;
  bool authentic = false; // AD (RFC 4035 §3.2.3)
  std::uint8_t opcode = 0, rcode = 0;
  std::uint16_t questions = 0, answers = 0, authorities = 0, additionals = 0;
};

[[nodiscard]] std::optional<Header> read_header(std::string_view packet);

// Where the only question ends (its name may not be compressed); none: there is no such question.
[[nodiscard]] std::optional<std::size_t> question_end(std::string_view packet);

// A record worth decoding: what it is, and where.
struct RecordPlace {
  std::size_t offset = 0;
  Type type = Type::a;
  std::uint16_t preference = 0; // MX
};

struct PacketShape {
  Header header;
  std::uint16_t rcode = 0; // with the upper bits of an OPT record (RFC 6891 §6.1.3)
  std::vector<RecordPlace>
      answer; // A, AAAA, MX, CNAME, TLSA, TXT of class IN; of too many the best preferences
  std::vector<RecordPlace> authority; // SOA, NS of class IN
};

// Or what is wrong with the packet.
[[nodiscard]] std::expected<PacketShape, std::string_view> walk(std::string_view packet);

} // namespace bulkmail::resolver
