#include "transport/printable.h"

#include <algorithm>
#include <cstdint>

namespace bulkmail::transport {

namespace {

bool is_plain(char c) { return c >= 0x20 && c < 0x7f; }

bool is_continuation(char c) { return (static_cast<std::uint8_t>(c) & 0xc0) == 0x80; }

// Length of the UTF-8 sequence that `text` begins with (RFC 3629: shortest form, no surrogates), 0: it is
// none, or a C1 control, which some terminals obey.
std::size_t utf8_length(std::string_view text) {
  const auto at = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  const std::uint8_t lead = at(0);
  const std::size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if (!is_continuation(text[i])) return 0;
  }
  const std::uint8_t second = at(1);
  const bool wrong = (lead == 0xc2 && second < 0xa0) ||                                    // C1
                     (lead == 0xe0 && second < 0xa0) || (lead == 0xf0 && second < 0x90) || // too long a form
                     (lead == 0xed && second > 0x9f) ||
                     (lead == 0xf4 && second > 0x8f); // surrogate, past U+10FFFF
  return wrong ? 0 : length;
}

constexpr std::size_t escape_length = 4; // \xHH

void append_escape(std::string& out, char c) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  const auto byte = static_cast<std::uint8_t>(c);
  out += "\\x";
  out += digits[byte >> 4];
  out += digits[byte & 15];
}

} // namespace

void append_printable(std::string& out, std::string_view text) {
  while (!text.empty()) {
    const auto stop = std::ranges::find_if_not(text, is_plain);
    const auto plain = static_cast<std::size_t>(stop - text.begin());
    out.append(text.substr(0, plain));
    text.remove_prefix(plain);
    if (text.empty()) return;
    if (const std::size_t length = utf8_length(text)) {
      out.append(text.substr(0, length));
      text.remove_prefix(length);
    } else {
      append_escape(out, text.front());
      text.remove_prefix(1);
    }
  }
}

void cut_printable(std::string& text, std::size_t limit) {
  if (text.size() <= limit) return;
  std::size_t end = limit;
  while (end > 0 && is_continuation(text[end])) --end;
  const std::size_t escape = text.rfind("\\x", end);
  if (escape != std::string::npos && escape < end && escape + escape_length > end) end = escape;
  text.resize(end);
}

std::string printable(std::string_view text) {
  std::string out;
  constexpr std::size_t rest_of_sequence = 3; // what the cut would split is whole until then
  append_printable(out, text.substr(0, max_printable + rest_of_sequence));
  cut_printable(out, max_printable);
  return out;
}

} // namespace bulkmail::transport
