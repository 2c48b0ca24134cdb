// The second part of the report: fields for programs (RFC 3464 §2).
#pragma once

#include "spool/notice/notice.h"

#include <cstddef>
#include <string>
#include <string_view>

namespace bulkmail::spool {

[[nodiscard]] bool is_ascii(std::string_view text);

// For one line of a header: control characters become "?", and it ends after `most` octets.
[[nodiscard]] std::string one_line(std::string_view text, std::size_t most);

// CRLF lines. `utf8`: addresses as they are (RFC 6533 message/global-delivery-status), else in ASCII.
[[nodiscard]] std::string delivery_status(const Notice& notice, bool utf8, std::string_view hostname);

} // namespace bulkmail::spool
