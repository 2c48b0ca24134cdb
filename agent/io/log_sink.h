// The program's log, for any thread: text or JSON lines, to stderr or a file that HUP reopens.
//
// Lines gather for some milliseconds and are written together by a thread of its own, so that a message's lines cost it no
// system call and no switch between threads. Mail never waits for its log: while the target is slow, lines gather up to a
// bound, and those beyond it are counted instead.
#pragma once

#include "agent/config/config.h"
#include "agent/io/descriptor.h"
#include "agent/seams.h"

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <expected>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

namespace bulkmail::agent {

class LogSink : public Log {
 public:
  static constexpr milliseconds gather{10}; // whoever follows the log doesn't notice
  static constexpr std::size_t enough = std::size_t{64}
                                        << 10; // octets that are written without waiting for more
  static constexpr std::size_t most_waiting = std::size_t{2} << 20; // some 8,000 lines

  explicit LogSink(const Config::Log& config);
  ~LogSink() override; // writes what is left
  // Opens the target anew with these settings. An error: the old one goes on.
  [[nodiscard]] std::expected<void, std::string> reopen(const Config::Log& config);

  [[nodiscard]] bool wants(Level level) const override { return level >= level_; }

  [[nodiscard]] bool json() const override { return json_; }

  void write(Level level, std::string_view line) override;

 private:
  void append(Level level, std::string_view line);
  void write_what_comes();

  std::atomic<Level> level_ = Level::info;
  std::atomic<bool> json_ = false;
  std::mutex lock_; // of all below
  std::condition_variable changed_;
  std::string waiting_;
  std::uint64_t lost_ = 0;
  std::shared_ptr<const Descriptor> target_; // another one after a reopening
  bool over_ = false;
  std::thread thread_; // last: it uses all of the above
};

} // namespace bulkmail::agent
