// CRC-32C (Castagnoli, RFC 3720 appendix B.4): what every journal record carries.
#pragma once

#include <cstdint>
#include <string_view>

namespace bulkmail::spool {

// Of `bytes`, going on from the CRC of what stood before them.
[[nodiscard]] std::uint32_t crc32c(std::string_view bytes, std::uint32_t before = 0);

// The same without the processor's help; for machines that have none, and to test the other against.
[[nodiscard]] std::uint32_t crc32c_by_table(std::string_view bytes, std::uint32_t before = 0);

} // namespace bulkmail::spool
