#include "agent/queue/latency_trend.h"

#include <algorithm>
#include <cmath>

namespace bulkmail::agent {

void LatencyTrend::add(float milliseconds, std::uint16_t memory) {
  samples_ = std::min<std::uint16_t>(samples_ + 1, memory);
  // A plain mean at first, then a moving one.
  const float gain = 1.0F / static_cast<float>(samples_);
  const float apart = milliseconds - average_;
  average_ += gain * apart;
  if (samples_ > 1) deviation_ += gain * (std::abs(apart) - deviation_);
  // A lucky average is not taken for the base: a deviation is four times what an average of so many errs by.
  if (samples_ >= few) {
    const float sure = average_ + deviation_ / 2;
    base_ = base_ == 0 ? sure : std::min(base_, sure);
  }
}

bool LatencyTrend::precise() const {
  if (samples_ == longest_memory) return true;
  constexpr float most_error = 1.0F / 30;
  const float error = 1.25F * deviation_ / std::sqrt(static_cast<float>(samples_));
  return samples_ >= 3 * few && error <= most_error * average_;
}

bool LatencyTrend::calm() const {
  return samples_ < few || average_ <= base_ * 1.1F + deviation_ / 4 + slack_ms / 2;
}

bool LatencyTrend::high() const { return samples_ >= few && average_ > base_ * 1.5F + deviation_ + slack_ms; }

void LatencyTrend::restart() { samples_ = 0; }

} // namespace bulkmail::agent
