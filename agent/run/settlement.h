// Turns the answers of an attempt into outcomes to be recorded and dispositions for the scheduler.
//
// Recipients answered alike share one outcome. A delayed one gets its next date here, drawn once for all alike: the
// schedule's, or later where the reply of a greylisting host asks for it.
#pragma once

#include "agent/queue/retry.h"
#include "agent/queue/scheduler.h"
#include "transport/verdict.h"

#include <optional>
#include <span>
#include <vector>

namespace bulkmail::agent {

struct Settlement {
  struct Group {
    spool::Outcome outcome;
    std::vector<std::uint32_t> recipients;
  };

  std::vector<Group> groups;
  std::vector<Disposition> dispositions; // in Work's order
  bool mixing_refused = false;           // the Site takes one domain a transaction
};

// Of a recipient that somebody took out of the queue. 5.7.0: a policy forbids it, and no more is said (RFC 3463 §3.8);
// nothing is wrong with the address, as classes 1 and 2 would tell its sender.
[[nodiscard]] spool::Outcome cancelled_outcome(Wall now);

class Settler {
 public:
  Settler(RetrySchedule schedule, bool retry_indeterminate, Dice& dice)
      : schedule_(std::move(schedule)),
        retry_indeterminate_(retry_indeterminate),
        dice_(&dice) {}

  // Of a transaction.
  [[nodiscard]] Settlement settle(const Work& work, std::span<const transport::RecipientResult> results,
                                  const transport::Peer& peer, Now now) const;
  // Of recipients that went elsewhere than to a mail host.
  [[nodiscard]] Settlement settle(const Work& work, std::span<const spool::Outcome> outcomes, Now now) const;
  // One answer for all recipients of the attempt. `due`: when its Site is tried next, if that is what they wait for.
  [[nodiscard]] Settlement settle(const Work& work, const spool::Outcome& outcome, Now now,
                                  std::optional<Monotonic> due = {}) const;
  // Nobody was tried: all of them at once again.
  [[nodiscard]] static Settlement put_back(const Work& work);

  [[nodiscard]] const RetrySchedule& schedule() const { return schedule_; }

 private:
  static constexpr int requested_spread = 10; // a requested delay is lengthened by up to a tenth

  [[nodiscard]] milliseconds delay(const spool::Outcome& outcome, std::uint32_t attempts) const;
  Disposition add(Settlement& settlement, spool::Outcome outcome, const Work& work, std::size_t place,
                  Now now, std::optional<Monotonic> due = {}) const; // place: in work.recipients
  RetrySchedule schedule_;
  bool retry_indeterminate_;
  Dice* dice_; // a pointer, so that a reload can assign
};

} // namespace bulkmail::agent
