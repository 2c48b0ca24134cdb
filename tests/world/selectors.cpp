#include "tests/world/selectors.h"

#include <nlohmann/json.hpp>

#include <charconv>

namespace bulkmail::world {

Numbers Numbers::read(const Json& value, const std::string& path) {
  Numbers numbers;
  const auto add = [&](const Json& item) {
    if (item.is_number_unsigned()) {
      const auto number = item.get<std::uint64_t>();
      numbers.ranges_.push_back({number, number});
      return true;
    }
    if (!item.is_string()) return false;
    const auto& text = item.get_ref<const std::string&>();
    const char* const end = text.data() + text.size();
    Range range{0, std::numeric_limits<std::uint64_t>::max()};
    auto [at, error] = std::from_chars(text.data(), end, range.first);
    if (error != std::errc() || at == end || *at != '-') return false;
    if (++at != end) {
      const auto last = std::from_chars(at, end, range.last);
      if (last.ec != std::errc() || last.ptr != end) return false;
    }
    numbers.ranges_.push_back(range);
    return true;
  };
  bool good = !value.is_array() || !value.empty();
  if (value.is_array())
    for (const auto& item : value) good = good && add(item);
  else
    good = add(value);
  if (!good) throw FileError(path + ": must be like 3, \"2-5\", \"4-\", or a list of these");
  return numbers;
}

bool Numbers::hold(std::uint64_t number) const {
  if (!given()) return true;
  for (const auto& range : ranges_)
    if (number >= range.first && number <= range.last) return true;
  return false;
}

Patterns Patterns::read(const Json& value, const std::string& path) {
  Patterns patterns;
  for (const auto& text : one_or_list(value, path)) {
    const bool prefix = text.ends_with('*');
    patterns.patterns_.push_back({lower(prefix ? text.substr(0, text.size() - 1) : text), prefix});
  }
  if (!patterns.given()) throw FileError(path + ": an empty list never holds");
  return patterns;
}

bool Patterns::hold(std::string_view lower_text) const {
  for (const auto& pattern : patterns_)
    if (pattern.prefix ? lower_text.starts_with(pattern.text) : lower_text == pattern.text) return true;
  return false;
}

Span Span::read(Fields& fields) {
  Span span;
  if (const auto from = fields.duration("from")) span.from = *from;
  if (const auto until = fields.duration("until")) span.until = *until;
  return span;
}

} // namespace bulkmail::world
