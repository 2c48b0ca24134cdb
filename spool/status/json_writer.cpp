#include "spool/status/json_writer.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace bulkmail::spool {
namespace {

constexpr std::string_view replacement = "\xEF\xBF\xBD"; // U+FFFD

// Bytes that go out as they are, without a look at their neighbours.
constexpr auto make_plain() {
  std::array<bool, 256> plain{};
  for (std::size_t byte = 0x20; byte < 0x7F; ++byte) plain[byte] = byte != '"' && byte != '\\';
  return plain;
}

constexpr auto plain = make_plain();

constexpr bool is_tail(unsigned char byte) { return (byte & 0xC0) == 0x80; }

// The length of the well-formed UTF-8 sequence that `text` begins with (Unicode 15, table 3-7), 0 if it is
// none.
std::size_t utf8_length(std::string_view text) {
  const auto at = [&](std::size_t index) {
    return index < text.size() ? static_cast<unsigned char>(text[index]) : static_cast<unsigned char>(0);
  };
  const unsigned char first = at(0), second = at(1);
  if (first >= 0xC2 && first <= 0xDF) return is_tail(second) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    if (!is_tail(second) || !is_tail(at(2))) return 0;
    const bool overlong = first == 0xE0 && second < 0xA0;
    const bool surrogate = first == 0xED && second > 0x9F;
    return overlong || surrogate ? 0 : 3;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    if (!is_tail(second) || !is_tail(at(2)) || !is_tail(at(3))) return 0;
    const bool overlong = first == 0xF0 && second < 0x90;
    const bool beyond = first == 0xF4 && second > 0x8F;
    return overlong || beyond ? 0 : 4;
  }
  return 0;
}

void append_escape(std::string& out, unsigned char byte) {
  static constexpr char hex[] = "0123456789abcdef";
  switch (byte) {
  case '"': out += "\\\""; return;
  case '\\': out += "\\\\"; return;
  case '\n': out += "\\n"; return;
  case '\r': out += "\\r"; return;
  case '\t': out += "\\t"; return;
  default:
    out += "\\u00";
    out += hex[byte >> 4];
    out += hex[byte & 15];
  }
}

void append_digits(std::string& out, unsigned value, int digits) {
  char text[4];
  for (int place = digits; place-- > 0; value /= 10) text[place] = static_cast<char>('0' + value % 10);
  out.append(text, static_cast<std::size_t>(digits));
}

} // namespace

void append_json_text(std::string& out, std::string_view text) {
  while (!text.empty()) {
    std::size_t run = 0;
    while (run < text.size() && plain[static_cast<unsigned char>(text[run])]) ++run;
    out += text.substr(0, run);
    text.remove_prefix(run);
    if (text.empty()) return;
    const auto byte = static_cast<unsigned char>(text.front());
    if (byte < 0x80) {
      append_escape(out, byte);
      text.remove_prefix(1);
    } else if (const std::size_t length = utf8_length(text); length != 0) {
      out += text.substr(0, length);
      text.remove_prefix(length);
    } else {
      out += replacement;
      text.remove_prefix(1);
    }
  }
}

void append_decimal(std::string& out, std::uint64_t number) {
  char digits[20]; // 2^64 has 20
  const auto end = std::to_chars(digits, digits + sizeof digits, number).ptr;
  out.append(digits, end);
}

void append_date(std::string& out, Wall when) {
  using namespace std::chrono;
  static constexpr Wall earliest = sys_days(year(0) / 1 / 1);
  static constexpr Wall latest = Wall(sys_days(year(10000) / 1 / 1)) - milliseconds(1);
  when = std::clamp(when, earliest, latest);
  const auto day = floor<days>(when);
  const year_month_day date(day);
  const hh_mm_ss time(when - day);
  append_digits(out, static_cast<unsigned>(static_cast<int>(date.year())), 4);
  out += '-';
  append_digits(out, static_cast<unsigned>(date.month()), 2);
  out += '-';
  append_digits(out, static_cast<unsigned>(date.day()), 2);
  out += 'T';
  append_digits(out, static_cast<unsigned>(time.hours().count()), 2);
  out += ':';
  append_digits(out, static_cast<unsigned>(time.minutes().count()), 2);
  out += ':';
  append_digits(out, static_cast<unsigned>(time.seconds().count()), 2);
  out += '.';
  append_digits(out, static_cast<unsigned>(time.subseconds().count()), 3);
  out += 'Z';
}

void JsonWriter::separate() {
  if (comma_) out_ += ',';
  comma_ = true;
}

JsonWriter& JsonWriter::key(std::string_view key) {
  separate();
  out_ += '"';
  out_ += key;
  out_ += "\":";
  comma_ = false;
  return *this;
}

JsonWriter& JsonWriter::string(std::string_view value) {
  separate();
  out_ += '"';
  append_json_text(out_, value);
  out_ += '"';
  return *this;
}

JsonWriter& JsonWriter::number(std::uint64_t value) {
  separate();
  append_decimal(out_, value);
  return *this;
}

JsonWriter& JsonWriter::boolean(bool value) { return raw(value ? "true" : "false"); }

JsonWriter& JsonWriter::null() { return raw("null"); }

JsonWriter& JsonWriter::date(Wall value) {
  separate();
  out_ += '"';
  append_date(out_, value);
  out_ += '"';
  return *this;
}

JsonWriter& JsonWriter::date(const std::optional<Wall>& value) { return value ? date(*value) : null(); }

JsonWriter& JsonWriter::text(std::string_view prefix, std::string_view value) {
  if (value.empty()) return null();
  separate();
  out_ += '"';
  out_ += prefix;
  append_json_text(out_, value);
  out_ += '"';
  return *this;
}

JsonWriter& JsonWriter::begin(char bracket) {
  separate();
  out_ += bracket;
  comma_ = false;
  return *this;
}

JsonWriter& JsonWriter::end(char bracket) {
  out_ += bracket;
  comma_ = true;
  return *this;
}

JsonWriter& JsonWriter::raw(std::string_view json) {
  separate();
  out_ += json;
  return *this;
}

} // namespace bulkmail::spool
