// The files that [[dkim]] entries name for their keys. What they hold is never shown.
#pragma once

#include "agent/config/config.h"

#include <string>
#include <vector>

namespace bulkmail::agent {

// Reads them into the entries. Answers a line for each that can't be had, can't sign, or could be read or changed by others.
[[nodiscard]] std::vector<std::string> read_dkim_keys(Config& config);

} // namespace bulkmail::agent
