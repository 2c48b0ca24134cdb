// What GMime knows of header values: RFC 2047 words and the parameters of a Content-Type.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace bulkmail::transport {

// Encoded words, and octets in some other charset, as UTF-8.
[[nodiscard]] std::string decode_header_text(std::string_view value);

struct ContentType {
  std::string type, subtype;     // lower case
  std::string boundary, charset; // as written; empty: none

  [[nodiscard]] static ContentType
  parse(std::string_view value); // of an unfolded value; text/plain if it is none

  [[nodiscard]] bool is(std::string_view wanted, std::string_view sub) const {
    return type == wanted && subtype == sub;
  }
};

// The same Content-Type, with the charset UTF-8, as a whole field with its CRLF.
[[nodiscard]] std::string content_type_in_utf8(std::string_view value);

} // namespace bulkmail::transport
