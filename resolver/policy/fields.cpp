#include "resolver/policy/fields.h"

namespace bulkmail::resolver {
namespace {

constexpr std::string_view blanks = " \t";

// Up to the next semicolon, which is taken too.
std::string_view next_part(std::string_view& text) {
  const std::size_t end = text.find(';');
  const std::string_view part = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return part;
}

} // namespace

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(blanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(blanks) - begin + 1);
}

std::optional<std::vector<Field>> the_record(std::span<const std::string> records, std::string_view version) {
  std::optional<std::string_view> found;
  const std::string begin = "v=" + std::string(version);
  for (std::string_view record : records) {
    if (trimmed(next_part(record)) != begin) continue;
    if (found) return std::nullopt;
    found = record;
  }
  if (!found) return std::nullopt;
  std::vector<Field> fields;
  for (std::string_view rest = *found; !rest.empty();) {
    const std::string_view part = trimmed(next_part(rest));
    if (part.empty()) continue;
    const std::size_t equals = part.find('=');
    if (equals == std::string_view::npos || equals == 0) return std::nullopt;
    fields.push_back(
        {std::string(trimmed(part.substr(0, equals))), std::string(trimmed(part.substr(equals + 1)))});
  }
  return fields;
}

} // namespace bulkmail::resolver
