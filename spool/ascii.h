// Letters without case as mail protocols mean it: those of ASCII alone, whatever the locale.
#pragma once

#include <algorithm>
#include <string_view>

namespace bulkmail::spool {

[[nodiscard]] constexpr char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }

[[nodiscard]] constexpr bool equal_without_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, {}, lower, lower);
}

[[nodiscard]] constexpr bool starts_without_case(std::string_view text, std::string_view start) {
  return text.size() >= start.size() && equal_without_case(text.substr(0, start.size()), start);
}

} // namespace bulkmail::spool
