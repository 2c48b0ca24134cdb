// What people read of the agent's answers: `queue` as tables, `show` as a page. Foreign text (replies, addresses) comes out
// printable, whatever it holds; a missing or odd field comes out as "-".
#pragma once

#include "agent/control/frames.h"
#include "spool/time.h"

#include <nlohmann/json.hpp>

#include <string>

namespace bulkmail::agent {

[[nodiscard]] std::string queue_view(const nlohmann::json& queue, Wall now);
// What an order (hold, release, cancel, flush) did, in a line.
[[nodiscard]] std::string order_view(const Request& order, const nlohmann::json& done);
// A status file's content (docs/spool-format.md), or the agent's answer to `show`, which has more to tell of what waits.
[[nodiscard]] std::string message_view(const nlohmann::json& status, Wall now);

} // namespace bulkmail::agent
