// Appends JSON (RFC 8259) to a string. Small and quick, since a status file of 100,000 recipients is written
// with it; and safe: whatever the bytes, what comes out is valid JSON in valid UTF-8 (a broken sequence
// becomes U+FFFD).
#pragma once

#include "spool/time.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace bulkmail::spool {

// The inside of a JSON string, without quotes.
void append_json_text(std::string& out, std::string_view text);
void append_decimal(std::string& out, std::uint64_t number);
// RFC 3339, UTC, to the millisecond: 2026-11-23T20:50:05.123Z. Years 0000 to 9999; others come out as the
// nearest of these.
void append_date(std::string& out, Wall when);

class JsonWriter {
 public:
  explicit JsonWriter(std::string& out) : out_(out) {}

  // `key` is written as it is, so it must be plain ASCII without quotes. Commas come by themselves.
  JsonWriter& key(std::string_view key);
  JsonWriter& string(std::string_view value);
  JsonWriter& number(std::uint64_t value);
  JsonWriter& boolean(bool value);
  JsonWriter& null();
  JsonWriter& date(Wall value);
  JsonWriter& date(const std::optional<Wall>& value); // none: null
  JsonWriter& text(std::string_view prefix,
                   std::string_view value); // one string of both; an empty value: null
  JsonWriter& begin(char bracket);          // '{' or '['
  JsonWriter& end(char bracket);            // '}' or ']'
  JsonWriter& raw(std::string_view json);   // already JSON: a value, or members of the open object

 private:
  void separate();
  std::string& out_;
  bool comma_ = false; // something stands before, at this level
};

} // namespace bulkmail::spool
