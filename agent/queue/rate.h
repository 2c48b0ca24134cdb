// At most so many in so long: a Rate as people write it, and the bucket that keeps to it, evenly spaced and without
// bursts (the generic cell rate algorithm, ITU-T I.371, without tolerance).
#pragma once

#include "spool/time.h"

#include <cstdint>

namespace bulkmail::agent {

// "100/1m": see agent/config/units.h for the text.
struct Rate {
  std::uint32_t count = 1; // never 0
  milliseconds period{1000};

  bool operator==(const Rate&) const = default;
};

// In no half-open stretch of `period` more than `count` go:
//
//   if (gcra.next(now) > now) wait until then
//   n = std::min(wanted, gcra.chunk()); gcra.take(n, now);
//
// What goes at once, a transaction's recipients, is a chunk. Chunks of more than one could crowd at a stretch's end, so
// the bucket is slower by what the largest may be: with chunks of one, `count` a `period` go exactly; the standard
// chunk of a twentieth costs a twentieth of the rate. One without debt is as good as a new one and may be forgotten.
class Gcra {
 public:
  // Recipients that may go together without the spacing being felt as bursts.
  static constexpr std::uint32_t chunks_a_period = 20;

  // `chunk` is bounded by half the count.
  explicit Gcra(Rate rate, std::uint32_t chunk = 1);
  [[nodiscard]] static std::uint32_t standard_chunk(Rate rate);

  [[nodiscard]] std::uint32_t chunk() const { return chunk_; } // the most that one take() may be

  // When the next chunk may go; `now`: at once.
  [[nodiscard]] Monotonic next(Monotonic now) const { return now < free_at_ ? free_at_ : now; }

  void take(std::uint32_t n, Monotonic now);

  [[nodiscard]] bool in_debt(Monotonic now) const { return now < free_at_; }

  // Nothing goes before then, or for longer than a chunk takes.
  void hold(Monotonic until, Monotonic now);
  // From now on. What went is not forgotten, but nobody waits for longer than a chunk takes at the new rate.
  void set_rate(Rate rate, std::uint32_t chunk, Monotonic now);

 private:
  static std::uint32_t bounded(std::uint32_t chunk, Rate rate);

  [[nodiscard]] std::uint32_t slots() const { return rate_.count - chunk_ + 1; } // that share a period

  Rate rate_;
  std::uint32_t chunk_;
  // The time of the next slot is free_at_ + fraction_ / slots() nanoseconds: kept in whole numbers, it never drifts.
  std::uint32_t fraction_ = 0;
  Monotonic free_at_{};
};

} // namespace bulkmail::agent
