// Foreign text made fit for logs, status files and terminals: peers choose every byte of their replies.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace bulkmail::transport {

// A diagnostic longer than this tells nobody more (RFC 5321 §4.5.3.1.5 allows 512 octets a line).
inline constexpr std::size_t max_printable = 1000;

// Printable form: control bytes (C0, DEL, C1) and what is not UTF-8 as \xHH, the rest as it is; at most
// max_printable octets.
[[nodiscard]] std::string printable(std::string_view text);

// The same, appended and without the limit.
void append_printable(std::string& out, std::string_view text);

// Cuts to at most `limit` octets, never inside a UTF-8 sequence or an \xHH.
void cut_printable(std::string& text, std::size_t limit);

} // namespace bulkmail::transport
