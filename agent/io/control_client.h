// Asks the agent that has a spool, over its admin socket (agent/control/frames.h).
#pragma once

#include "agent/control/frames.h"

#include <chrono>
#include <expected>
#include <string>

namespace bulkmail::agent {

// A stuck agent counts as none: a watchdog asks so.
inline constexpr std::chrono::milliseconds agent_patience{5'000};

// The error: nobody answered, and why.
[[nodiscard]] std::expected<Response, std::string>
ask_agent(const std::string& spool, const Request& request,
          std::chrono::milliseconds patience = agent_patience);

} // namespace bulkmail::agent
