// Durations ("500ms 30s 5m 1h20m 4d"), sizes ("64MiB") and rates ("100/1m") as people write them.
#pragma once

#include "agent/queue/rate.h"

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

// A whole number from 1, a slash, a duration of at least a millisecond.
[[nodiscard]] std::optional<Rate> parse_rate(std::string_view text);
[[nodiscard]] std::string format_rate(Rate rate); // "100/1m"

} // namespace bulkmail::agent
