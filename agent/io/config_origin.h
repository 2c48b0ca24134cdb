// Where a configuration came from, so that HUP can read it again.
#pragma once

#include "agent/config/config.h"

#include <expected>
#include <string>
#include <vector>

namespace bulkmail::agent {

struct ConfigOrigin {
  std::string file;                // empty: there is none, the defaults hold
  std::vector<Override> overrides; // --spool and --set, in the order given
  std::string hostname;            // this host's FQDN
  bool with_secrets = false;       // files that entries name for keys are read too: who sends mail needs them
};

// Reads it. The error: a line for each thing that is wrong.
[[nodiscard]] std::expected<Config, std::vector<std::string>> read_config(const ConfigOrigin& origin);

} // namespace bulkmail::agent
