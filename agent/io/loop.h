// The event loop: the real Clock and Pool on libuv, one timer, and a turn of the engine after each batch of events.
#pragma once

#include "agent/seams.h"

#include <uv.h>

#include <array>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace bulkmail::agent {

// How long turns of the loop took, in buckets of powers of 1.25 µs … enough for percentiles.
class LatencyHistogram {
 public:
  void add(std::uint64_t nanoseconds);
  void add(const LatencyHistogram& other);
  [[nodiscard]] double percentile_ms(double fraction) const;

  [[nodiscard]] double max_ms() const { return static_cast<double>(max_) / 1e6; }

 private:
  static constexpr std::size_t buckets = 96;
  std::array<std::uint64_t, buckets> counts_{};
  std::uint64_t total_ = 0, max_ = 0;
};

class Loop : public Clock, public Pool {
 public:
  Loop();
  ~Loop() override;
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  Now now() override;
  void run(std::function<void()> work, std::function<void()> done) override;
  void post(std::function<void()> task); // runs it before the loop waits again
  void send(std::function<void()> task); // the same, from any thread; in the order of a thread's calls

  // Calls `turn` after each batch of events; it answers when it wants to be called at the latest, or none to be left alone
  // until something happens. Returns once `over` says so.
  void drive(const std::function<std::optional<Monotonic>()>& turn, const std::function<bool()>& over);
  void on_signal(int number, std::function<void()> handler);
  // Names that appear in `directory`, by whatever call; "": events were lost, look at all of it.
  void watch(const std::string& directory, std::function<void(std::string)> appeared);
  void finish_jobs(); // waits for what is under way in the pool

  [[nodiscard]] uv_loop_t* raw() { return &loop_; }

  [[nodiscard]] const LatencyHistogram& latency() const { return latency_; }

 private:
  struct Signal;
  struct Watch;
  void close_all();
  void take_sent();
  std::optional<Monotonic> take_turn();
  void measure();
  uv_loop_t loop_{};
  uv_timer_t timer_{};
  uv_prepare_t prepare_{};
  std::function<std::optional<Monotonic>()> turn_;
  std::function<bool()> over_;
  std::vector<std::function<void()>> posted_;
  uv_async_t wake_{};
  std::mutex sent_lock_;
  std::vector<std::function<void()>> sent_; // by other threads
  std::uint64_t measured_at_ = 0,
                idle_ = 0; // when a turn ended last, and what the loop had waited in all until then
  LatencyHistogram latency_;
  std::size_t jobs_ = 0;
};

} // namespace bulkmail::agent
