// Durations ("500ms 30s 5m 1h20m 4d") and sizes ("64MiB") as people write them.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace bulkmail::agent {

// Whole numbers with units d h m s ms, largest first, each at most once. None: it is no duration.
[[nodiscard]] std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);
[[nodiscard]] std::string format_duration(std::chrono::milliseconds duration); // "1h20m"

// A whole number with one of B KiB MiB GiB TiB.
[[nodiscard]] std::optional<std::uint64_t> parse_size(std::string_view text);
[[nodiscard]] std::string format_size(std::uint64_t octets); // "64MiB", in the largest unit that divides it

} // namespace bulkmail::agent
