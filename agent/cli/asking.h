// The commands that ask the agent: ping, flush, queue, show. Each answers its exit code.
#pragma once

#include "agent/config/config.h"

#include <string>

namespace bulkmail::agent {

[[nodiscard]] int ping(const Config& config);
[[nodiscard]] int flush(const Config& config, const std::string& domain, const std::string& id);
[[nodiscard]] int queue(const Config& config, bool as_json);
// Of a message that the agent doesn't have the status file tells; 1: neither knows it.
[[nodiscard]] int show(const Config& config, const std::string& id);

} // namespace bulkmail::agent
