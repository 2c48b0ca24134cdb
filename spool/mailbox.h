// One mail address (RFC 5321 §4.1.2 Mailbox, with the UTF-8 of RFC 6531 §3.3), without angle brackets.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace bulkmail::spool {

// Dot-string or Quoted-string local part (64 octets at most), domain or address literal, 254 octets in all
// (path 256). Answers the length of the local part.
[[nodiscard]] std::optional<std::size_t> parse_mailbox(std::string_view address);

// A local part without the quotes and backslashes of a Quoted-string, and the way back: quoted only where it
// must be.
[[nodiscard]] std::string unquoted_local(std::string_view local);
[[nodiscard]] std::string quoted_local(std::string_view plain);

[[nodiscard]] bool valid_utf8(std::string_view text); // RFC 3629: no surrogates, nothing overlong

} // namespace bulkmail::spool
