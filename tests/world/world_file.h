// A world file, read and checked (README.md). Throws FileError.
#pragma once

#include "tests/world/host_rules.h"
#include "tests/world/name_rules.h"

#include <map>

namespace bulkmail::world {

struct WorldFile {
  std::string log, summary, save, certificates;
  bool log_commands = false, log_messages = true, sha256 = true;
  std::uint16_t smtp_port = 0;
  std::vector<std::pair<std::string, NameServerRules>> name_servers; // in the file's order
  std::map<std::string, HostRules> hosts;                            // by lower-case name
  std::unordered_map<std::string, NameRules> names;                  // likewise; "*.example" too

  static WorldFile read(const std::string& path);
  static WorldFile parse(std::string_view json);
};

} // namespace bulkmail::world
