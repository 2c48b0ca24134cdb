// An outcome as it is kept for days: what it says is shared with all that say the same, its dates are its own.
//
// A host that puts off 100,000 messages tells each the same; what is different is when each is tried again.
#pragma once

#include "spool/outcome.h"

#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace bulkmail::spool {

class SharedOutcome {
 public:
  SharedOutcome() = default; // none

  SharedOutcome(const std::shared_ptr<const Outcome>& whole); // implicit: nothing gets lost

  explicit operator bool() const { return said_ != nullptr; }

  // All but the dates.
  [[nodiscard]] const Outcome& said() const { return *said_; }

  [[nodiscard]] Action action() const { return said_->action; }

  [[nodiscard]] std::optional<Wall> last_attempt_date() const { return date(last_attempt_); }

  [[nodiscard]] std::optional<Wall> next_attempt_date() const { return date(next_attempt_); }

  [[nodiscard]] Outcome whole() const;

 private:
  friend class OutcomeShelf;

  static constexpr Wall none = Wall::min();

  [[nodiscard]] static std::optional<Wall> date(Wall kept) {
    return kept == none ? std::nullopt : std::optional(kept);
  }

  void take_dates(const Outcome& whole);

  std::shared_ptr<const Outcome> said_;
  Wall last_attempt_ = none, next_attempt_ = none, retry_until_ = none;
};

// Where outcomes that say the same are brought together. It knows those of late: an older one is only kept once more.
class OutcomeShelf {
 public:
  [[nodiscard]] SharedOutcome share(const Outcome& whole);

 private:
  static constexpr std::size_t places = 1024; // more than the answers that the hosts of an hour differ by

  std::vector<std::shared_ptr<const Outcome>> known_; // each where its hash says
};

} // namespace bulkmail::spool
