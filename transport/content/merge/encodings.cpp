#include "transport/content/merge/encodings.h"

#include "spool/base64.h"

#include <iconv.h>

#include <algorithm>
#include <cerrno>

namespace bulkmail::transport {
namespace {

constexpr std::size_t longest_line = 76; // RFC 2045 §6.7, §6.8
constexpr std::string_view upper_hex = "0123456789ABCDEF";

bool is_alphanumeric(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

void append_hex(std::string& out, char mark, char c) {
  const auto octet = static_cast<unsigned char>(c);
  out += {mark, upper_hex[octet >> 4], upper_hex[octet & 15]};
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

// One line without its end.
void append_quoted_line(std::string& out, std::string_view line) {
  std::size_t column = 0;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    const bool last = i + 1 == line.size();
    bool as_it_is = (c > ' ' && c <= '~' && c != '=') || ((c == ' ' || c == '\t') && !last);
    if (column + (as_it_is ? 1 : 3) > longest_line - (last ? 0 : 1)) { // room for the soft break's "="
      out += "=\r\n";
      column = 0;
    }
    if (column == 0 && line.substr(i).starts_with("--"))
      as_it_is = false; // else it might be a part's delimiter
    if (as_it_is)
      out += c;
    else
      append_hex(out, '=', c);
    column += as_it_is ? 1 : 3;
  }
}

// RFC 2047 §5 (3): what may stand as it is in an encoded word within a phrase.
bool stays_in_word(char c) {
  return is_alphanumeric(c) || c == '!' || c == '*' || c == '+' || c == '-' || c == '/';
}

std::size_t quoted_width(std::string_view text) {
  std::size_t width = 0;
  for (const char c : text) width += stays_in_word(c) || c == ' ' ? 1 : 3;
  return width;
}

// Octets of the character that begins the text: a lead octet and what continues it.
std::size_t character_length(std::string_view text) {
  std::size_t length = 1;
  while (length < text.size() && length < 4 && (static_cast<unsigned char>(text[length]) & 0xc0) == 0x80)
    ++length;
  return length;
}

class Conversion {
 public:
  Conversion(const std::string& from, const std::string& to) : state_(iconv_open(to.c_str(), from.c_str())) {}

  ~Conversion() {
    if (known()) iconv_close(state_);
  }

  Conversion(const Conversion&) = delete;
  Conversion& operator=(const Conversion&) = delete;

  // iconv_open() says "unknown" by a pointer of all ones.
  [[nodiscard]] bool known() const { return reinterpret_cast<std::intptr_t>(state_) != -1; }

  std::optional<std::string> run(std::string_view text) {
    std::string out(text.size() + text.size() / 2 + 32, '\0');
    char* from = const_cast<char*>(text.data()); // iconv doesn't write there
    std::size_t left = text.size(), made = 0;
    bool ended = false; // a charset with shifts wants the way back at the end
    while (true) {
      char* to = out.data() + made;
      std::size_t room = out.size() - made;
      const std::size_t result =
          ended ? iconv(state_, nullptr, nullptr, &to, &room) : iconv(state_, &from, &left, &to, &room);
      const int problem = errno;
      made = out.size() - room;
      if (result == static_cast<std::size_t>(-1)) {
        if (problem != E2BIG) return std::nullopt;
        out.resize(2 * out.size());
      } else if (result != 0) {
        return std::nullopt; // something like it stands for what there is no character for
      } else if (ended) {
        break;
      } else {
        ended = true;
      }
    }
    out.resize(made);
    return out;
  }

 private:
  iconv_t state_;
};

} // namespace

void append_quoted_printable(std::string& out, std::string_view text) {
  while (true) {
    const std::size_t end = text.find("\r\n");
    append_quoted_line(out, text.substr(0, end));
    if (end == text.npos) return;
    out += "\r\n";
    text.remove_prefix(end + 2);
  }
}

std::string decode_quoted_printable(std::string_view text) {
  std::string out;
  while (true) {
    const std::size_t end = text.find("\r\n");
    std::string_view line = text.substr(0, end);
    line =
        line.substr(0, line.find_last_not_of(" \t") + 1); // added on the way, if at all (RFC 2045 §6.7 (3))
    const bool soft = line.ends_with('=');
    if (soft) line.remove_suffix(1);
    for (std::size_t i = 0; i < line.size(); ++i) {
      const int high = i + 2 < line.size() && line[i] == '=' ? hex_value(line[i + 1]) : -1;
      const int low = high >= 0 ? hex_value(line[i + 2]) : -1;
      if (low >= 0) i += 2;
      out += low >= 0 ? static_cast<char>(high << 4 | low) : line[i];
    }
    if (end == text.npos) return out;
    if (!soft) out += "\r\n";
    text.remove_prefix(end + 2);
  }
}

void append_base64_lines(std::string& out, std::string_view bytes) {
  constexpr std::size_t line = longest_line / 4 * 3;
  for (bool first = true; !bytes.empty(); first = false) {
    if (!first) out += "\r\n";
    spool::append_base64(out, bytes.substr(0, line));
    bytes.remove_prefix(std::min(line, bytes.size()));
  }
}

std::optional<std::string> decode_base64_body(std::string_view text) {
  std::string letters, out;
  std::ranges::copy_if(text, std::back_inserter(letters),
                       [](char c) { return is_alphanumeric(c) || c == '+' || c == '/' || c == '='; });
  if (!spool::decode_base64(letters, out)) return std::nullopt;
  return out;
}

void append_encoded_words(std::string& out, std::string_view text, std::size_t first_room) {
  constexpr std::string_view end = "?=";
  constexpr std::size_t marks = std::string_view("=?utf-8?Q?").size() + end.size();
  const bool quoted = quoted_width(text) <= 2 * text.size(); // longer than base64 at times, but legible
  for (bool first = true; !text.empty(); first = false) {
    const std::size_t payload = (first ? first_room : longest_word) - marks;
    std::size_t length = 0, width = 0;
    while (length < text.size()) {
      const std::size_t character = character_length(text.substr(length));
      const std::size_t wider =
          quoted ? width + quoted_width(text.substr(length, character)) : (length + character + 2) / 3 * 4;
      if (wider > payload) break;
      length += character;
      width = wider;
    }
    if (!first) out += ' ';
    out += quoted ? "=?utf-8?Q?" : "=?utf-8?B?";
    const std::string_view piece = text.substr(0, length);
    if (!quoted) spool::append_base64(out, piece);
    for (const char c : quoted ? piece : std::string_view()) {
      if (c == ' ')
        out += '_';
      else if (stays_in_word(c))
        out += c;
      else
        append_hex(out, '=', c);
    }
    out += end;
    text.remove_prefix(length);
  }
}

void append_percent_encoded(std::string& out, std::string_view text, UriPart part) {
  const std::string_view stays =
      part == UriPart::component ? "-._~" : "-._~:/?#[]@!$&'()*+,;=%"; // RFC 3986 §2.2, §2.3
  for (const char c : text) {
    if (is_alphanumeric(c) || stays.find(c) != stays.npos)
      out += c;
    else
      append_hex(out, '%', c);
  }
}

std::optional<std::string> convert(std::string_view text, const std::string& from, const std::string& to) {
  Conversion conversion(from, to);
  if (!conversion.known()) return std::nullopt;
  return conversion.run(text);
}

} // namespace bulkmail::transport
