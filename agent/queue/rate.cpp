#include "agent/queue/rate.h"

#include <algorithm>
#include <chrono>

namespace bulkmail::agent {

using std::chrono::nanoseconds;

Gcra::Gcra(Rate rate, std::uint32_t chunk) : rate_(rate), chunk_(bounded(chunk, rate)) {}

std::uint32_t Gcra::standard_chunk(Rate rate) { return std::max(rate.count / chunks_a_period, 1U); }

// Then a chunk takes no longer than the period, and nothing can overflow.
std::uint32_t Gcra::bounded(std::uint32_t chunk, Rate rate) {
  return std::clamp(chunk, 1U, rate.count - rate.count / 2);
}

void Gcra::take(std::uint32_t n, Monotonic now) {
  if (free_at_ < now) {
    free_at_ = now;
    fraction_ = 0;
  }
  const auto period = static_cast<std::uint64_t>(nanoseconds(rate_.period).count());
  const std::uint64_t part = (period % slots()) * n + fraction_;
  free_at_ += nanoseconds(static_cast<std::int64_t>(period / slots() * n + part / slots()));
  fraction_ = static_cast<std::uint32_t>(part % slots());
}

void Gcra::hold(Monotonic until, Monotonic now) {
  Gcra longest(rate_, chunk_);
  longest.take(chunk_, now);
  free_at_ = std::min(until, longest.free_at_);
  fraction_ = 0; // less than a nanosecond
}

void Gcra::set_rate(Rate rate, std::uint32_t chunk, Monotonic now) {
  rate_ = rate;
  chunk_ = bounded(chunk, rate);
  hold(free_at_, now);
}

} // namespace bulkmail::agent
