#include "tests/world/dns_message.h"

#include <fmt/format.h>

#include <iterator>

namespace bulkmail::world::dns {
namespace {

constexpr std::size_t header_size = 12;
constexpr std::uint16_t our_udp_size = 4096;

std::uint16_t u16(std::string_view bytes, std::size_t at) {
  return static_cast<std::uint16_t>(static_cast<unsigned char>(bytes[at]) << 8 |
                                    static_cast<unsigned char>(bytes[at + 1]));
}

// The end of the uncompressed name at `at`, its dotted form in `name`; nullopt: malformed.
std::optional<std::size_t> read_name(std::string_view packet, std::size_t at, std::string& name) {
  while (at < packet.size()) {
    const std::size_t length = static_cast<unsigned char>(packet[at++]);
    if (length == 0) return at;
    if (length > 63 || at + length > packet.size()) return std::nullopt;
    if (!name.empty()) name += '.';
    for (const char c : packet.substr(at, length)) {
      if (c >= 'A' && c <= 'Z')
        name += static_cast<char>(c - 'A' + 'a');
      else if (c > ' ' && c < 0x7F && c != '.' && c != '\\')
        name += c;
      else
        fmt::format_to(std::back_inserter(name), "\\{:03}", static_cast<unsigned char>(c));
    }
    at += length;
  }
  return std::nullopt;
}

std::string header(const Query& query, std::uint16_t flags, const std::array<std::uint16_t, 4>& counts) {
  std::string out = wire_u16(query.id) + wire_u16(flags);
  for (const auto count : counts) out += wire_u16(count);
  return out;
}

void append(std::string& out, const Query& query, const Record& record) {
  out += record.owner == query.name ? std::string("\xC0\x0C") : wire_name(record.owner);
  out += wire_u16(record.type) + wire_u16(1) + wire_u32(record.ttl);
  out += wire_u16(static_cast<std::uint16_t>(record.data.size()));
  out += record.data;
}

} // namespace

std::optional<Query> Query::read(std::string_view packet) {
  if (packet.size() < header_size || (u16(packet, 2) & 0x8000) != 0 || u16(packet, 4) != 1)
    return std::nullopt;
  Query query;
  query.id = u16(packet, 0);
  query.recursion_desired = (u16(packet, 2) & 0x0100) != 0;
  query.ad = (u16(packet, 2) & 0x0020) != 0;
  const auto end = read_name(packet, header_size, query.name);
  if (!end || *end + 4 > packet.size()) return std::nullopt;
  query.type = u16(packet, *end);
  query.question = packet.substr(header_size, *end + 4 - header_size);
  // OPT, the only additional record a stub sends: the root, type, size, extended flags (RFC 6891 §6.1.2).
  const auto opt_at = *end + 4;
  if (u16(packet, 10) > 0 && packet.size() >= opt_at + 11 && packet[opt_at] == '\0' &&
      u16(packet, opt_at + 1) == opt) {
    query.edns = true;
    query.udp_size = std::max<std::uint16_t>(512, u16(packet, opt_at + 3));
    query.ad = query.ad || (u16(packet, opt_at + 7) & 0x8000) != 0;
  }
  return query;
}

std::string write(const Query& query, const Response& response) {
  unsigned flags = 0x8000U | static_cast<unsigned>(response.rcode);
  if (query.recursion_desired) flags |= 0x0100U;
  if (response.recursion_available) flags |= 0x0080U;
  if (response.authenticated) flags |= 0x0020U;
  if (response.truncated) flags |= 0x0200U;
  const auto count = [](const auto& list) { return static_cast<std::uint16_t>(list.size()); };
  auto out = header(query, static_cast<std::uint16_t>(flags),
                    {1, count(response.answers), count(response.authority),
                     static_cast<std::uint16_t>(query.edns ? 1 : 0)});
  out += query.question;
  for (const auto& record : response.answers) append(out, query, record);
  for (const auto& record : response.authority) append(out, query, record);
  if (query.edns)
    out += std::string(1, '\0') + wire_u16(opt) + wire_u16(our_udp_size) + wire_u32(0) + wire_u16(0);
  return out;
}

std::string write_raw(const Query& query, const std::array<std::uint16_t, 4>& counts,
                      std::string_view bytes) {
  return header(query, 0x8180, counts) + query.question + std::string(bytes);
}

std::string wire_name(std::string_view dotted) {
  std::string out;
  while (!dotted.empty()) {
    const auto label = dotted.substr(0, dotted.find('.'));
    out += static_cast<char>(label.size());
    out += label;
    dotted.remove_prefix(std::min(dotted.size(), label.size() + 1));
  }
  out += '\0';
  return out;
}

std::string wire_u16(std::uint16_t value) {
  return {static_cast<char>(value >> 8), static_cast<char>(value & 0xFF)};
}

std::string wire_u32(std::uint32_t value) {
  return wire_u16(static_cast<std::uint16_t>(value >> 16)) +
         wire_u16(static_cast<std::uint16_t>(value & 0xFFFF));
}

bool is_valid_name(std::string_view dotted) {
  if (dotted.size() > 253) return false;
  while (!dotted.empty()) {
    const auto label = dotted.substr(0, dotted.find('.'));
    if (label.empty() || label.size() > 63) return false;
    dotted.remove_prefix(std::min(dotted.size(), label.size() + 1));
  }
  return true;
}

std::string type_name(std::uint16_t type) {
  switch (type) {
  case a: return "A";
  case ns: return "NS";
  case cname: return "CNAME";
  case soa: return "SOA";
  case mx: return "MX";
  case txt: return "TXT";
  case aaaa: return "AAAA";
  case 33: return "SRV";
  case 52: return "TLSA";
  case 255: return "ANY";
  default: return fmt::format("TYPE{}", type);
  }
}

} // namespace bulkmail::world::dns
