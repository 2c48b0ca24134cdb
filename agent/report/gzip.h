// The gzip file format (RFC 1952), in one piece.
#pragma once

#include <string>
#include <string_view>

namespace bulkmail::agent {

[[nodiscard]] std::string gzip(std::string_view bytes); // the same from the same

} // namespace bulkmail::agent
