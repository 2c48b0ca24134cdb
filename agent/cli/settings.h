// Finds and reads the configuration that a command is to work with.
#pragma once

#include "agent/config/config.h"
#include "agent/io/config_origin.h"

#include <expected>
#include <string>
#include <vector>

namespace bulkmail::agent {

// What the command line says of it.
struct SettingsSource {
  std::string file;             // --config
  std::string spool;            // --spool
  std::vector<std::string> set; // --set, in the order given
};

struct Settings {
  Config config;
  ConfigOrigin origin;
};

// --config, else $BULKMAIL_CONFIG, else /etc/bulkmail/bulkmail.toml if it is there, else the defaults. The error: a line
// for each thing that is wrong. `with_secrets`: see ConfigOrigin.
[[nodiscard]] std::expected<Settings, std::vector<std::string>>
load_settings(const SettingsSource& source, const std::string& hostname, bool with_secrets);

} // namespace bulkmail::agent
