// Names in text (RFC 1035 §5.1): lower case, no final dot, strange octets as \DDD, the root as ".". Whatever
// a packet holds, its text is printable and encodes to the same octets again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace bulkmail::resolver {

// From uncompressed wire form that is known to be well formed.
[[nodiscard]] std::string name_from_wire(std::span<const std::uint8_t> wire);

// The name is the zone's or lies below it.
[[nodiscard]] bool is_within(std::string_view name, std::string_view zone);

// "192.0.2.1", or any other name that ends in digits: no top level domain does (RFC 3696 §2).
[[nodiscard]] bool looks_like_address(std::string_view name);

} // namespace bulkmail::resolver
