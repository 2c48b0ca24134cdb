#include "spool/merge_fields.h"

#include <algorithm>

namespace bulkmail::spool {

std::optional<std::uint8_t> FieldNames::find(std::string_view name) const {
  const auto found = std::ranges::find(names_, name);
  if (found == names_.end()) return std::nullopt;
  return static_cast<std::uint8_t>(found - names_.begin());
}

std::optional<std::uint8_t> FieldNames::add(std::string_view name, std::size_t hint) {
  if (hint < names_.size() && names_[hint] == name) return static_cast<std::uint8_t>(hint);
  if (const auto known = find(name)) return known;
  if (names_.size() == most) return std::nullopt;
  names_.emplace_back(name);
  return static_cast<std::uint8_t>(names_.size() - 1);
}

std::size_t FieldNames::memory() const {
  std::size_t bytes = names_.capacity() * sizeof(std::string);
  for (const std::string& name : names_) bytes += name.capacity();
  return bytes;
}

MergeFields::Field MergeFields::take() {
  Field field{static_cast<std::uint8_t>(packed_[0]), {}};
  std::size_t at = 1, length = 0;
  for (unsigned shift = 0;; shift += 7) { // seven bits an octet, the lowest first; the last has no high bit
    const auto octet = static_cast<unsigned char>(packed_[at++]);
    length |= static_cast<std::size_t>(octet & 0x7f) << shift;
    if (octet < 0x80) break;
  }
  field.value = packed_.substr(at, length);
  packed_.remove_prefix(at + length);
  return field;
}

void MergeFields::append(std::string& packed, std::uint8_t name, std::string_view value) {
  packed += static_cast<char>(name);
  std::size_t length = value.size();
  for (; length >= 0x80; length >>= 7) packed += static_cast<char>((length & 0x7f) | 0x80);
  packed += static_cast<char>(length);
  packed += value;
}

} // namespace bulkmail::spool
