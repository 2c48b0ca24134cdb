// The commands that ask the agent. Each answers its exit code.
#pragma once

#include "agent/config/config.h"
#include "agent/control/frames.h"

#include <string>

namespace bulkmail::agent {

[[nodiscard]] int ping(const Config& config);
// flush, hold, release, cancel. 1: there is nothing of that kind.
[[nodiscard]] int order(const Config& config, const Request& request, bool as_json);
[[nodiscard]] int queue(const Config& config, bool as_json);
// Of a message that the agent doesn't have the status file tells; 1: neither knows it.
[[nodiscard]] int show(const Config& config, const std::string& id, bool as_json);

} // namespace bulkmail::agent
