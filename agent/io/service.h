// What `run` and `drain` do once the command line and the configuration are read: the agent itself, on its
// loop.
#pragma once

#include "agent/config/config.h"
#include "agent/io/config_origin.h"

#include <chrono>
#include <optional>
#include <string>

namespace bulkmail::agent {

struct RunOptions {
  ConfigOrigin origin;
  std::string version;
};

// The agent in the foreground until TERM. Answers the exit code (0, 75, 78).
[[nodiscard]] int run_agent(const Config& config, const RunOptions& options);

struct DrainOptions {
  ConfigOrigin origin;
  std::string version;
  std::optional<std::chrono::milliseconds> max_time; // after it no transaction is begun
  bool force = false;                                // all that waits, due or not
  bool strict = false;                               // 75 if anything is left
  bool progress = false;                             // stderr is a terminal: show a bar
};

// One pass over what is due; an agent that has the spool is asked to flush instead. Answers the exit code (0,
// 75).
[[nodiscard]] int drain_spool(const Config& config, const DrainOptions& options);

} // namespace bulkmail::agent
