// What the world counts over its whole life, and writes as its summary (README.md, "Summary").
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>

namespace bulkmail::world {

struct RecipientTally {
  std::uint64_t accepted = 0, unanswered = 0, refused = 0;
};

struct HostTally {
  std::uint64_t connections = 0, open = 0, max_open = 0, transactions = 0, messages = 0, unanswered = 0,
                partial = 0, octets = 0, lone_dots = 0, unknown_commands = 0;
};

struct Tally {
  using Clock = std::chrono::steady_clock;

  Clock::time_point start = Clock::now();
  std::unordered_map<std::string, RecipientTally> recipients;
  std::map<std::string, HostTally> hosts;
  std::map<std::string, std::map<std::string, std::array<std::uint64_t, 2>>> dns; // name, type, {udp, tcp}
  std::uint64_t messages = 0; // complete ones: their `seq`
  std::optional<Clock::time_point> first_message, last_message;

  [[nodiscard]] std::string json() const;
};

// Whole or not at all: a temporary name, then rename. False: it couldn't be written.
bool write_summary(const std::string& path, const Tally& tally);

} // namespace bulkmail::world
