#include "resolver/wire/name.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace bulkmail::resolver {

std::string name_from_wire(std::span<const std::uint8_t> wire) {
  if (wire.empty() || wire[0] == 0) return ".";
  std::string text;
  text.reserve(wire.size());
  for (std::size_t at = 0; at < wire.size() && wire[at] != 0;) {
    if (at > 0) text += '.';
    const std::size_t end = std::min(at + 1 + wire[at], wire.size());
    for (++at; at < end; ++at) {
      const auto c = static_cast<char>(wire[at]);
      if (c >= 'A' && c <= 'Z')
        text += static_cast<char>(c - 'A' + 'a');
      else if (c > ' ' && c < 0x7f && std::string_view("\\.\"();@$").find(c) == std::string_view::npos)
        text += c;
      else
        fmt::format_to(std::back_inserter(text), "\\{:03}", wire[at]);
    }
  }
  return text;
}

bool is_within(std::string_view name, std::string_view zone) {
  if (zone == ".") return true;
  return name.ends_with(zone) && (name.size() == zone.size() || name[name.size() - zone.size() - 1] == '.');
}

bool looks_like_address(std::string_view name) {
  const std::size_t dot = name.rfind('.');
  const std::string_view last = dot == name.npos ? name : name.substr(dot + 1);
  return !last.empty() && std::ranges::all_of(last, [](char c) { return c >= '0' && c <= '9'; });
}

} // namespace bulkmail::resolver
