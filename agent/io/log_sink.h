// The program's log on spdlog, for any thread: text or JSON lines, to stderr or a file that HUP reopens, written off the loop.
#pragma once

#include "agent/config/config.h"
#include "agent/seams.h"

#include <atomic>
#include <expected>
#include <memory>
#include <string>

namespace spdlog {
class logger;

namespace details {
class thread_pool;
}
} // namespace spdlog

namespace bulkmail::agent {

class LogSink : public Log {
 public:
  explicit LogSink(const Config::Log& config);
  ~LogSink() override;
  // Opens the target anew with these settings. An error: the old one goes on.
  [[nodiscard]] std::expected<void, std::string> reopen(const Config::Log& config);

  [[nodiscard]] bool wants(Level level) const override { return level >= level_; }

  [[nodiscard]] bool json() const override { return json_; }

  void write(Level level, std::string_view line) override;

 private:
  std::atomic<Level> level_ = Level::info;
  std::atomic<bool> json_ = false;
  std::shared_ptr<spdlog::details::thread_pool> threads_;
  std::atomic<std::shared_ptr<spdlog::logger>> logger_; // another one after a reopening
};

} // namespace bulkmail::agent
