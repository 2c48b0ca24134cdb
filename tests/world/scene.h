// What all actors of the world share.
#pragma once

#include "tests/tls/authority.h"
#include "tests/world/event_log.h"
#include "tests/world/loop.h"
#include "tests/world/tally.h"

#include <optional>

namespace bulkmail::world {

struct Scene {
  Loop loop;
  EventLog log;
  Tally tally;
  bool log_commands = false, log_messages = true, sha256 = true;
  std::string save;                         // a folder, or empty
  std::string certificates;                 // likewise
  std::optional<test::Authority> authority; // made for the first host that has TLS
  std::uint64_t next_id = 1;                // of a connection, in the log

  explicit Scene(const std::string& log_path) : log(log_path) {}

  [[nodiscard]] Loop::Time::duration elapsed() const { return Loop::Time::clock::now() - tally.start; }

  [[nodiscard]] std::chrono::milliseconds elapsed_ms() const {
    return std::chrono::duration_cast<std::chrono::milliseconds>(loop.now() - tally.start);
  }

  [[nodiscard]] EventLog::Line event(std::string_view name) { return {log, name, elapsed()}; }
};

} // namespace bulkmail::world
