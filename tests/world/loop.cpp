#include "tests/world/loop.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

namespace bulkmail::world {
namespace {

constexpr int events_a_turn = 256;

} // namespace

Loop::Loop() : epoll_(epoll_create1(EPOLL_CLOEXEC)), now_(std::chrono::steady_clock::now()) {
  if (epoll_ < 0) throw std::system_error(errno, std::system_category(), "epoll_create1");
}

Loop::~Loop() { close(epoll_); }

void Loop::watch(int fd, std::uint32_t events, Watcher& watcher) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = &watcher;
  if (epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) != 0)
    throw std::system_error(errno, std::system_category(), "epoll_ctl");
  watcher.watched_ = true;
}

void Loop::change(int fd, std::uint32_t events, Watcher& watcher) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = &watcher;
  epoll_ctl(epoll_, EPOLL_CTL_MOD, fd, &event);
}

void Loop::forget(int fd, Watcher& watcher) {
  epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, nullptr);
  watcher.watched_ = false;
}

Loop::Timer Loop::after(std::chrono::milliseconds delay, std::function<void()> call) {
  const Timer timer{now_ + delay, next_timer_++};
  timers_.emplace(timer, std::move(call));
  return timer;
}

void Loop::cancel(Timer& timer) {
  timers_.erase(timer);
  timer = {};
}

void Loop::run_timers() {
  while (!timers_.empty() && timers_.begin()->first.first <= now_) {
    auto call = std::move(timers_.begin()->second);
    timers_.erase(timers_.begin());
    call();
  }
}

int Loop::wait_time() const {
  if (timers_.empty()) return -1;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(timers_.begin()->first.first - now_).count();
  return static_cast<int>(std::clamp<std::int64_t>(left, 0, 3'600'000));
}

void Loop::run() {
  std::array<epoll_event, events_a_turn> events{};
  while (!stopped_) {
    if (before_wait_) before_wait_();
    const int count = epoll_wait(epoll_, events.data(), events_a_turn, wait_time());
    now_ = std::chrono::steady_clock::now();
    run_timers();
    for (int i = 0; i < count; ++i) {
      const auto& event = events.at(static_cast<std::size_t>(i));
      auto* watcher = static_cast<Watcher*>(event.data.ptr);
      if (watcher->watched_) watcher->ready(event.events);
    }
    retired_.clear();
  }
}

} // namespace bulkmail::world
