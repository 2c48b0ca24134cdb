// How long a reply asks us to wait: "try again in 5 minutes".
#pragma once

#include "spool/outcome.h"

#include <chrono>
#include <optional>
#include <string_view>

namespace bulkmail::spool {

// The first length of time that the text names: "300 seconds", "5 min", "1 hour 30 minutes", "00:04:59", "04:59". None, or
// one over a day: nothing that a queue could act on.
[[nodiscard]] std::optional<milliseconds> named_delay(std::string_view reply);

// Of a reply that means "not yet": greylisting, or a limit on our rate.
[[nodiscard]] std::optional<milliseconds> requested_delay(const Outcome& outcome);

} // namespace bulkmail::spool
