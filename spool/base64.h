// Base64 as RFC 4648 §4 has it: the standard alphabet, padded, in one piece.
#pragma once

#include <string>
#include <string_view>

namespace bulkmail::spool {

// Replaces `into` by what `text` stands for. False: it is no base64; then `into` holds nothing of use.
[[nodiscard]] bool decode_base64(std::string_view text, std::string& into);

void append_base64(std::string& out, std::string_view bytes);

} // namespace bulkmail::spool
