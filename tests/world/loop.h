// One thread, one epoll, timers and signals. Objects watched by it may be destroyed by their own callback
// through retire(): they live until the turn is over.
#pragma once

#include <chrono>
#include <csignal>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <vector>

namespace bulkmail::world {

class Loop {
 public:
  class Watcher {
   public:
    virtual ~Watcher() = default;
    virtual void ready(std::uint32_t events) = 0; // EPOLLIN …

   private:
    friend class Loop;
    bool watched_ = false;
  };

  using Time = std::chrono::steady_clock::time_point;
  using Timer = std::pair<Time, std::uint64_t>; // names a timer; the default names none

  Loop();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  void watch(int fd, std::uint32_t events, Watcher& watcher);
  void change(int fd, std::uint32_t events, Watcher& watcher);
  void forget(int fd, Watcher& watcher);

  void retire(std::unique_ptr<Watcher> watcher) { retired_.push_back(std::move(watcher)); }

  Timer after(std::chrono::milliseconds delay, std::function<void()> call);
  void cancel(Timer& timer);

  [[nodiscard]] Time now() const { return now_; } // constant within a turn

  void before_wait(std::function<void()> call) { before_wait_ = std::move(call); }

  void run();

  void stop() { stopped_ = true; }

 private:
  void run_timers();
  [[nodiscard]] int wait_time() const;

  int epoll_;
  Time now_;
  bool stopped_ = false;
  std::uint64_t next_timer_ = 1;
  std::map<Timer, std::function<void()>> timers_;
  std::vector<std::unique_ptr<Watcher>> retired_;
  std::function<void()> before_wait_;
};

} // namespace bulkmail::world
