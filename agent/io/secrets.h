// The passwords and tokens that routes name files for. They are kept out of the configuration's text, and go nowhere but to
// the relay.
#pragma once

#include "agent/config/config.h"

#include <string>
#include <vector>

namespace bulkmail::agent {

// Reads them into the routes. Answers a line for each that can't be had, or that others could read or change too.
[[nodiscard]] std::vector<std::string> read_secrets(Config& config);

} // namespace bulkmail::agent
