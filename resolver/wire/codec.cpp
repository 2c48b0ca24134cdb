#include "resolver/wire/codec.h"

#include "resolver/wire/name.h"
#include "resolver/wire/walker.h"

#include <ldns/ldns.h>
#include <stdbool.h> // before ldns: its own definition of bool would undo that of C++

#include <algorithm>
#include <memory>
#include <span>

namespace bulkmail::resolver {
namespace {

struct Free {
  void operator()(ldns_pkt* packet) const { ldns_pkt_free(packet); }

  void operator()(ldns_rr* record) const { ldns_rr_free(record); }

  void operator()(std::uint8_t* bytes) const { LDNS_FREE(bytes); }
};

std::span<const std::uint8_t> octets(const ldns_rdf* data) {
  return {ldns_rdf_data(data), ldns_rdf_size(data)};
}

std::string text(const ldns_rdf* data) {
  return {reinterpret_cast<const char*>(ldns_rdf_data(data)), ldns_rdf_size(data)};
}

std::string name(const ldns_rdf* data) { return name_from_wire(octets(data)); }

IpAddress address(const ldns_rdf* data, IpAddress::Family family) {
  IpAddress found;
  found.family = family;
  std::ranges::copy(octets(data).first(family == IpAddress::Family::v4 ? 4 : 16), found.bytes.begin());
  return found;
}

std::optional<Record> decode_record(std::string_view packet, RecordPlace place, ldns_pkt_section section) {
  ldns_rr* raw = nullptr;
  std::size_t position = place.offset;
  const auto* wire = reinterpret_cast<const std::uint8_t*>(packet.data());
  if (ldns_wire2rr(&raw, wire, packet.size(), &position, section) != LDNS_STATUS_OK) return std::nullopt;
  const std::unique_ptr<ldns_rr, Free> rr(raw);
  Record record;
  record.name = name(ldns_rr_owner(rr.get()));
  record.type = place.type;
  record.ttl = ldns_rr_ttl(rr.get());
  if (record.ttl > 0x7fffffffU) record.ttl = 0;
  const auto data = [&](std::size_t n) { return ldns_rr_rdf(rr.get(), n); };
  switch (place.type) {
  case Type::a: record.address = address(data(0), IpAddress::Family::v4); break;
  case Type::aaaa: record.address = address(data(0), IpAddress::Family::v6); break;
  case Type::mx:
    record.preference = ldns_rdf2native_int16(data(0));
    record.target = name(data(1));
    break;
  case Type::ns:
  case Type::cname: record.target = name(data(0)); break;
  case Type::soa: record.minimum = ldns_rdf2native_int32(data(6)); break;
  case Type::tlsa:
    record.tlsa = {ldns_rdf2native_int8(data(0)), ldns_rdf2native_int8(data(1)),
                   ldns_rdf2native_int8(data(2)), text(data(3))};
    break;
  case Type::txt:
    for (std::size_t i = 0; i < ldns_rr_rd_count(rr.get()); ++i)
      record.text += text(data(i)).substr(1); // behind its length
    break;
  case Type::opt: break;
  }
  return record;
}

bool decode_section(std::string_view packet, const std::vector<RecordPlace>& places, ldns_pkt_section section,
                    std::vector<Record>& into) {
  into.reserve(places.size());
  for (const RecordPlace place : places) {
    auto record = decode_record(packet, place, section);
    if (!record) return false;
    into.push_back(*std::move(record));
  }
  return true;
}

} // namespace

std::optional<std::string> encode_query(const std::string& name, Type type, std::uint16_t id, bool edns,
                                        bool authentic) {
  ldns_rdf* owner = ldns_dname_new_frm_str(name.c_str());
  if (owner == nullptr) return std::nullopt;
  const std::unique_ptr<ldns_pkt, Free> packet(
      ldns_pkt_query_new(owner, static_cast<ldns_rr_type>(type), LDNS_RR_CLASS_IN, LDNS_RD));
  if (packet == nullptr) return std::nullopt;
  ldns_pkt_set_id(packet.get(), id);
  ldns_pkt_set_ad(packet.get(), authentic);
  if (edns) ldns_pkt_set_edns_udp_size(packet.get(), edns_size);
  std::uint8_t* raw = nullptr;
  std::size_t size = 0;
  if (ldns_pkt2wire(&raw, packet.get(), &size) != LDNS_STATUS_OK) return std::nullopt;
  const std::unique_ptr<std::uint8_t, Free> bytes(raw);
  return std::string(reinterpret_cast<const char*>(raw), size);
}

std::expected<Message, std::string_view> decode(std::string_view packet) {
  const auto shape = walk(packet);
  if (!shape) return std::unexpected(shape.error());
  Message message;
  message.rcode = shape->rcode;
  message.authoritative = shape->header.authoritative;
  message.authentic = shape->header.authentic;
  message.recursion_available = shape->header.recursion_available;
  if (!decode_section(packet, shape->answer, LDNS_SECTION_ANSWER, message.answer) ||
      !decode_section(packet, shape->authority, LDNS_SECTION_AUTHORITY, message.authority)) {
    return std::unexpected("a record that cannot be read");
  }
  return message;
}

} // namespace bulkmail::resolver
