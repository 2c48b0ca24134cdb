#include "resolver/wire/walker.h"

#include <algorithm>
#include <tuple>

namespace bulkmail::resolver {
namespace {

constexpr std::size_t max_name_wire = 255; // RFC 1035 §2.3.4
constexpr std::uint16_t class_in = 1;
// Labels and pointers followed in one packet. 3,600 MX records, the most that fit in 64 KiB, take some
// 36,000; a packet made to cost more (names built of chains of pointers) is refused.
constexpr int max_steps = 65'536;
// Records decoded of each section: more than the 100 hosts and 30 addresses that are kept and the 10 links that lead to
// them. ldns takes a third of a microsecond and up for each.
constexpr std::size_t max_records = 256;

class Walker {
 public:
  explicit Walker(std::string_view packet) : packet_(packet) {}

  std::expected<PacketShape, std::string_view> run() {
    const auto header = read_header(packet_);
    if (!header) return std::unexpected("shorter than a header");
    PacketShape shape{.header = *header, .rcode = header->rcode, .answer = {}, .authority = {}};
    position_ = header_size;
    for (int i = 0; i < header->questions; ++i) {
      if (!skip_name(packet_.size()) || !skip(4)) return std::unexpected("a malformed question");
    }
    if (auto problem = section(header->answers, Section::answer, shape)) return std::unexpected(*problem);
    if (auto problem = section(header->authorities, Section::authority, shape))
      return std::unexpected(*problem);
    if (auto problem = section(header->additionals, Section::additional, shape))
      return std::unexpected(*problem);
    keep_best(shape.answer);
    keep_best(shape.authority);
    return shape;
  }

 private:
  enum class Section : std::uint8_t { answer, authority, additional };

  [[nodiscard]] std::uint8_t octet(std::size_t at) const { return static_cast<std::uint8_t>(packet_[at]); }

  [[nodiscard]] std::uint16_t word(std::size_t at) const {
    return static_cast<std::uint16_t>(octet(at) << 8 | octet(at + 1));
  }

  bool skip(std::size_t count) {
    if (packet_.size() - position_ < count) return false;
    position_ += count;
    return true;
  }

  // Passes a name whose own octets must lie before `end`. Each pointer must lead to before the place where
  // the octets that it continues began: so no chain can turn back, and every chain ends.
  bool skip_name(std::size_t end) {
    std::size_t at = position_;
    std::size_t lowest = at;
    std::size_t length = 1; // of the name in uncompressed form; the root label
    bool followed = false;
    for (;; ++steps_) {
      if (steps_ > max_steps || at >= end) return false;
      const std::uint8_t head = octet(at);
      if ((head & 0xc0U) == 0xc0U) {
        if (at + 1 >= end) return false;
        const std::size_t target = word(at) & 0x3fffU;
        if (target < header_size || target >= lowest) return false;
        if (!followed) position_ = at + 2;
        followed = true;
        at = lowest = target;
        end = packet_.size();
        continue;
      }
      if ((head & 0xc0U) != 0) return false; // 0x40 and 0x80 were never given a meaning that lasted
      if (head == 0) {
        if (!followed) position_ = at + 1;
        return true;
      }
      length += 1U + head;
      if (length > max_name_wire) return false;
      at += 1U + head;
    }
  }

  // The record data of the types that are decoded must be exactly as long as it should be.
  bool check_data(Type type, std::size_t end) {
    const std::size_t length = end - position_;
    switch (type) {
    case Type::a: return length == 4;
    case Type::aaaa: return length == 16;
    case Type::tlsa: return length >= 4; // RFC 6698 §2.1: three octets and a digest
    case Type::mx:
      if (length < 3) return false;
      position_ += 2;
      return skip_name(end) && position_ == end;
    case Type::ns:
    case Type::cname: return skip_name(end) && position_ == end;
    case Type::soa: return skip_name(end) && skip_name(end) && end - position_ == 20;
    case Type::txt: return skip_texts(end);
    case Type::opt: return true;
    }
    return true;
  }

  // RFC 1035 §3.3.14: one string or more, each with its length before it.
  bool skip_texts(std::size_t end) {
    if (position_ == end) return false;
    while (position_ < end) position_ += 1U + octet(position_);
    return position_ == end;
  }

  static bool is_wanted(Type type, Section where) {
    if (where == Section::authority) return type == Type::soa || type == Type::ns;
    return type == Type::a || type == Type::aaaa || type == Type::mx || type == Type::cname ||
           type == Type::tlsa || type == Type::txt;
  }

  std::optional<std::string_view> section(int count, Section where, PacketShape& shape) {
    for (int i = 0; i < count; ++i) {
      const std::size_t offset = position_;
      if (!skip_name(packet_.size())) return "a malformed name";
      if (packet_.size() - position_ < 10) return "fewer records than counted";
      const auto type = static_cast<Type>(word(position_));
      const std::uint16_t record_class = word(position_ + 2);
      const std::uint8_t extended_rcode = octet(position_ + 4);
      const std::size_t length = word(position_ + 8);
      position_ += 10;
      if (packet_.size() - position_ < length) return "a record longer than the packet";
      const std::size_t end = position_ + length;
      if (where == Section::additional) {
        if (type == Type::opt)
          shape.rcode = static_cast<std::uint16_t>(extended_rcode << 4 | shape.header.rcode);
      } else if (record_class == class_in) {
        if (!check_data(type, end)) return "record data of a wrong length";
        const std::uint16_t preference = type == Type::mx ? word(end - length) : std::uint16_t{0};
        auto& places = where == Section::answer ? shape.answer : shape.authority;
        if (is_wanted(type, where)) places.push_back({offset, type, preference});
      }
      position_ = end;
    }
    return std::nullopt;
  }

  // In their order, the CNAMEs that lead to them included.
  static void keep_best(std::vector<RecordPlace>& places) {
    if (places.size() <= max_records) return;
    std::ranges::nth_element(places, places.begin() + max_records, {}, [](const RecordPlace& place) {
      return std::tuple(place.type != Type::cname, place.preference, place.offset);
    });
    places.resize(max_records);
    std::ranges::sort(places, {}, &RecordPlace::offset);
  }

  std::string_view packet_;
  std::size_t position_ = 0;
  int steps_ = 0;
};

} // namespace

std::optional<Header> read_header(std::string_view packet) {
  if (packet.size() < header_size) return std::nullopt;
  const auto octet = [&](std::size_t at) { return static_cast<std::uint8_t>(packet[at]); };
  const auto word = [&](std::size_t at) {
    return static_cast<std::uint16_t>(octet(at) << 8 | octet(at + 1));
  };
  Header header;
  header.id = word(0);
  header.response = (octet(2) & 0x80U) != 0;
  header.opcode = octet(2) >> 3 & 0x0fU;
  header.authoritative = (octet(2) & 0x04U) != 0;
  header.truncated = (octet(2) & 0x02U) != 0;
  header.recursion_available = (octet(3) & 0x80U) != 0;
  header.authentic = (octet(3) & 0x20U) != 0;
  header.rcode = octet(3) & 0x0fU;
  header.questions = word(4);
  header.answers = word(6);
  header.authorities = word(8);
  header.additionals = word(10);
  return header;
}

std::optional<std::size_t> question_end(std::string_view packet) {
  const auto header = read_header(packet);
  if (!header || header->questions != 1) return std::nullopt;
  std::size_t at = header_size;
  while (at < packet.size() && packet[at] != 0) {
    const auto length = static_cast<std::uint8_t>(packet[at]);
    if (length > 63 || at - header_size > max_name_wire) return std::nullopt;
    at += 1U + length;
  }
  at += 1 + 4;
  return at <= packet.size() ? std::optional(at) : std::nullopt;
}

std::expected<PacketShape, std::string_view> walk(std::string_view packet) { return Walker(packet).run(); }

} // namespace bulkmail::resolver
