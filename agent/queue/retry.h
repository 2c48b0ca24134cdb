// When a delayed recipient is tried again: the steps of `retry.schedule`.
#pragma once

#include "resolver/dice.h"
#include "spool/time.h"

#include <chrono>
#include <cstdint>
#include <vector>

namespace bulkmail::agent {

class RetrySchedule {
 public:
  explicit RetrySchedule(std::vector<milliseconds> steps); // never empty; the last repeats
  // The delay after the `attempts`-th attempt (from 1): the schedule's, lengthened at random by up to a
  // quarter, never shortened.
  [[nodiscard]] milliseconds delay(std::uint32_t attempts, Dice& dice) const;
  [[nodiscard]] milliseconds longest() const;

 private:
  std::vector<milliseconds> steps_;
};

} // namespace bulkmail::agent
