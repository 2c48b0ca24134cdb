// A mail host under a virtual clock, with a limit of sessions or a capacity, and a client whose Window decides how many
// sessions it has while it always has work. Sessions come and go: each carries some messages and is closed.
#pragma once

#include "agent/queue/window.h"

#include <chrono>
#include <cmath>
#include <cstdint>
#include <queue>
#include <random>
#include <vector>

namespace bulkmail::agent {

using namespace std::chrono_literals;

struct HostHabits {
  std::uint32_t limit = 1000;    // sessions; one more is refused
  std::uint32_t patience = 1000; // sessions; with more, each transaction is pushed back
  double capacity = 1000;        // sessions; with more, latency grows with them
  std::chrono::duration<double> latency = 100ms;
  double noise = 0.25;                    // of the latency: its standard deviation, as a part of it
  double messages = 10;                   // that a session carries, on average
  double stray = 0;                       // the part of the sessions that is refused for no reason
  std::chrono::milliseconds linger = 0ms; // for so long a closed session still counts
};

template <class AnyWindow>
class VirtualHost {
 public:
  VirtualHost(AnyWindow& window, HostHabits its, std::uint64_t seed)
      : habits(its),
        window_(window),
        random_(seed) {}

  void run(std::chrono::duration<double> time) {
    const double end = now_ + time.count();
    fill();
    while (!events_.empty() && events_.top().at <= end) {
      const Event event = events_.top();
      events_.pop();
      pass(event.at);
      step(event);
      fill();
    }
    pass(end);
  }

  void forget_counts() { opened = refused = answered = pushed_back = 0, sessions_ = since_ = 0; }

  // Since the counts were forgotten.
  std::uint64_t opened = 0, refused = 0, answered = 0, pushed_back = 0;

  [[nodiscard]] double refused_share() const {
    return static_cast<double>(refused) / static_cast<double>(opened);
  }

  [[nodiscard]] double mean_sessions() const { return sessions_ / since_; }

  [[nodiscard]] double per_second() const { return static_cast<double>(answered) / since_; }

  HostHabits habits;

 private:
  struct Event {
    double at;
    enum class Kind : std::uint8_t { connected, answer, lingered } kind;
    std::uint32_t messages = 0; // left to the session
    double latency = 0;         // of the answer

    bool operator<(const Event& other) const { return at > other.at; }
  };

  [[nodiscard]] Monotonic now() const {
    return Monotonic{} + 1h + std::chrono::nanoseconds(static_cast<std::int64_t>(now_ * 1e9));
  }

  void pass(double to) {
    sessions_ += (to - now_) * held_;
    since_ += to - now_;
    now_ = to;
  }

  double chance() { return std::uniform_real_distribution<>(0, 1)(random_); }

  void fill() {
    while (held_ < window_.size()) {
      ++held_;
      ++opened;
      events_.push({now_ + 0.005 + 0.01 * chance(), Event::Kind::connected});
    }
  }

  void transact(std::uint32_t messages) {
    const double load = std::max(1.0, static_cast<double>(taken_) / habits.capacity);
    const double spread =
        std::gamma_distribution<>(1 / (habits.noise * habits.noise), habits.noise * habits.noise)(random_);
    const double latency = habits.latency.count() * load * spread;
    events_.push({now_ + 0.01 + latency, Event::Kind::answer, messages, latency});
  }

  void step(const Event& event) {
    switch (event.kind) {
    case Event::Kind::connected:
      if (taken_ >= habits.limit || chance() < habits.stray) {
        --held_;
        ++refused;
        window_.refused(held_, now());
        return;
      }
      ++taken_;
      window_.established(++up_, now());
      return transact(
          1 + static_cast<std::uint32_t>(std::exponential_distribution<>(1 / habits.messages)(random_)));
    case Event::Kind::answer:
      if (taken_ > habits.patience) {
        ++pushed_back;
        window_.pushed_back(now());
      } else {
        ++answered;
        window_.completed(std::chrono::nanoseconds(static_cast<std::int64_t>(event.latency * 1e9)), held_,
                          now());
      }
      if (event.messages > 1 && held_ <= window_.size()) return transact(event.messages - 1);
      --held_;
      --up_;
      events_.push({now_ + 1e-3 * static_cast<double>(habits.linger.count()), Event::Kind::lingered});
      return;
    case Event::Kind::lingered: --taken_; return;
    }
  }

  AnyWindow& window_;
  std::mt19937_64 random_;
  std::priority_queue<Event> events_;
  std::uint32_t held_ = 0;  // by the client
  std::uint32_t up_ = 0;    // of those, established
  std::uint32_t taken_ = 0; // by the host, which sees a session's end a little later
  double now_ = 0, sessions_ = 0, since_ = 0;
};

} // namespace bulkmail::agent
