#include "agent/queue/retry.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace bulkmail::agent {

RetrySchedule::RetrySchedule(std::vector<milliseconds> steps) : steps_(std::move(steps)) {
  assert(!steps_.empty());
}

milliseconds RetrySchedule::delay(std::uint32_t attempts, Dice& dice) const {
  const std::size_t step = std::min<std::size_t>(attempts == 0 ? 0 : attempts - 1, steps_.size() - 1);
  const milliseconds base = steps_[step];
  // Lengthened only: a peer that asks for five minutes gets five. Spread, so that what failed together
  // returns apart.
  const auto quarter = static_cast<std::uint64_t>(base.count() / 4);
  return base + milliseconds(static_cast<std::int64_t>(dice.below(quarter + 1)));
}

milliseconds RetrySchedule::longest() const {
  // With its lengthening: a restored delay that is cut to this is never cut short of what its status file
  // promised.
  const milliseconds base = *std::max_element(steps_.begin(), steps_.end());
  return base + base / 4;
}

} // namespace bulkmail::agent
