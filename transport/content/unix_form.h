// Content as programs and files on this machine have it: lines end in LF.
#pragma once

#include <string>
#include <string_view>

namespace bulkmail::transport {

// Of a block of the wire form, wherever it was cut.
[[nodiscard]] std::string unix_form(std::string_view wire);

} // namespace bulkmail::transport
