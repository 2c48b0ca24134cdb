// Virtual time: what happens next, in order, from one seed. Two runs of one seed are the same to the byte.
#pragma once

#include "spool/time.h"

#include <cstdint>
#include <functional>
#include <map>
#include <utility>

namespace bulkmail::simulation {

class Timeline {
 public:
  Timeline() : now_{Monotonic(std::chrono::hours(1)), Wall(std::chrono::days(20'000))} {}

  [[nodiscard]] Now now() const { return now_; }

  void at(Monotonic when, std::function<void()> event) {
    events_.emplace(std::pair(when, order_++), std::move(event));
  }

  void after(milliseconds delay, std::function<void()> event) { at(now_.mono + delay, std::move(event)); }

  [[nodiscard]] bool empty() const { return events_.empty(); }

  [[nodiscard]] Monotonic next() const { return events_.begin()->first.first; }

  // Goes to the next event and lets it happen.
  void step() {
    auto node = events_.extract(events_.begin());
    advance(node.key().first);
    node.mapped()();
  }

  void advance(Monotonic to) {
    if (to <= now_.mono) return;
    now_.wall += std::chrono::duration_cast<milliseconds>(to - now_.mono);
    now_.mono = to;
  }

 private:
  Now now_;
  std::uint64_t order_ = 0; // events of one moment happen in the order in which they were planned
  std::map<std::pair<Monotonic, std::uint64_t>, std::function<void()>> events_;
};

} // namespace bulkmail::simulation
