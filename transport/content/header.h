// A header in wire form, cut into its fields (RFC 5322 §2.2): views into the text, octet for octet.
#pragma once

#include <string_view>

namespace bulkmail::transport {

// The header of a message or part, up to and with the empty line; all of it if there is none.
[[nodiscard]] std::string_view header_of(std::string_view text);

// The next field off the front, with the lines it is folded over. `head` ends in CRLF and isn't empty.
[[nodiscard]] std::string_view take_field(std::string_view& head);

// "Subject"; of a line that is no field, all of it.
[[nodiscard]] std::string_view field_name(std::string_view field);

} // namespace bulkmail::transport
