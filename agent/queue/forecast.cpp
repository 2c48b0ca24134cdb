#include "agent/queue/forecast.h"

#include <algorithm>
#include <chrono>
#include <cmath>

namespace bulkmail::agent {
namespace {

using Seconds = std::chrono::duration<double>;

// How many recipients of all stretches are done at a time.
double done_at(std::span<const Stretch> stretches, Monotonic time) {
  double done = 0;
  for (const Stretch& stretch : stretches) {
    if (time < stretch.begin) continue;
    const double length = Seconds(stretch.end - stretch.begin).count();
    const double part = length > 0 ? std::min(Seconds(time - stretch.begin).count() / length, 1.0) : 1.0;
    done += part * static_cast<double>(stretch.recipients);
  }
  return done;
}

// The first moment at which so many are done, found by halving.
Monotonic time_of(std::span<const Stretch> stretches, double recipients) {
  Monotonic from = stretches.front().begin, to = stretches.front().end;
  for (const Stretch& stretch : stretches) {
    from = std::min(from, stretch.begin);
    to = std::max(to, stretch.end);
  }
  while (to - from > std::chrono::milliseconds{1}) {
    const Monotonic middle = from + (to - from) / 2;
    (done_at(stretches, middle) < recipients ? from : to) = middle;
  }
  return to;
}

} // namespace

void Throughput::completed(std::uint32_t recipients, Monotonic now) {
  if (last_ != Monotonic{}) { // how long the first one took is not known
    const float passed = pause(now);
    const float kept = std::exp(-passed / static_cast<float>(memory.count()));
    recipients_ = recipients_ * kept + static_cast<float>(recipients);
    seconds_ = seconds_ * kept + passed;
  }
  last_ = now;
}

float Throughput::rate(Monotonic now) const { return rate_over(seconds_ + pause(now)); }

float Throughput::rate() const { return rate_over(seconds_); }

float Throughput::rate_over(float seconds) const {
  constexpr float shortest = 0.001F; // many in the same moment
  return recipients_ <= 0 ? 0 : recipients_ / std::max(seconds, shortest);
}

float Throughput::pause(Monotonic now) const {
  return std::chrono::duration<float>(std::clamp<Monotonic::duration>(now - last_, {}, longest_pause))
      .count();
}

std::optional<Forecast> forecast(std::span<const Stretch> stretches) {
  double total = 0;
  for (const Stretch& stretch : stretches) total += static_cast<double>(stretch.recipients);
  if (total <= 0) return std::nullopt;
  return Forecast{time_of(stretches, total * 0.5), time_of(stretches, total * 0.99)};
}

void Outlook::add(Outlook other) {
  stretches.insert(stretches.end(), other.stretches.begin(), other.stretches.end());
  unknown += other.unknown;
}

std::optional<Forecast> forecast(Outlook outlook, std::uint64_t done, Monotonic now, Monotonic expires) {
  auto& stretches = outlook.stretches;
  stretches.push_back({now, now, done});
  std::uint64_t known = 0;
  for (Stretch& stretch : stretches) {
    stretch.begin = std::min(stretch.begin, expires);
    stretch.end = std::min(stretch.end, expires);
    known += stretch.recipients;
  }
  if (known < outlook.unknown) return std::nullopt;
  stretches.push_back({expires, expires, outlook.unknown});
  return forecast(stretches);
}

} // namespace bulkmail::agent
