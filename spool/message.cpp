#include "spool/message.h"

#include <algorithm>
#include <limits>

namespace bulkmail::spool {
namespace {

std::uint32_t& counter(Counts& counts, Action action) {
  switch (action) {
  case Action::queued: return counts.queued;
  case Action::relayed: return counts.relayed;
  case Action::delivered: return counts.delivered;
  case Action::failed: return counts.failed;
  case Action::delayed: return counts.delayed;
  }
  return counts.queued;
}

} // namespace

Message::Message(MessageFacts facts, Wall expires)
    : facts_(std::make_shared<const MessageFacts>(std::move(facts))),
      states_(facts_->envelope.size()),
      expires_(expires) {
  counts_.total = counts_.queued = static_cast<std::uint32_t>(states_.size());
}

const Outcome* Message::outcome(std::size_t recipient) const {
  const auto place = states_[recipient].outcome;
  return place == 0 ? nullptr : outcomes_[place - 1].get();
}

std::optional<Wall> Message::next_attempt_date() const {
  std::optional<Wall> earliest;
  for (const auto& outcome : outcomes_) {
    if (!outcome || !outcome->next_attempt_date) continue;
    earliest = std::min(earliest.value_or(*outcome->next_attempt_date), *outcome->next_attempt_date);
  }
  return earliest;
}

std::shared_ptr<const Outcome> Message::shared_outcome(std::size_t recipient) const {
  const auto place = states_[recipient].outcome;
  return place == 0 ? nullptr : outcomes_[place - 1];
}

std::size_t Message::apply(std::span<const std::uint32_t> recipients,
                           std::shared_ptr<const Outcome> outcome) {
  const Action action = outcome->action;
  const bool attempted = outcome->attempted;
  std::uint32_t place = 0;
  std::uint32_t changed = 0;
  for (const std::uint32_t index : recipients) {
    if (index >= states_.size() || is_final(states_[index].action)) continue;
    RecipientState& state = states_[index];
    if (place == 0) place = keep(std::move(outcome));
    assign(state, place, action);
    if (attempted && state.attempts < std::numeric_limits<std::uint16_t>::max()) ++state.attempts;
    ++changed;
  }
  return changed;
}

void Message::restore(std::span<const std::uint32_t> recipients, std::shared_ptr<const Outcome> outcome,
                      std::uint16_t attempts) {
  const Action action = outcome->action;
  std::uint32_t place = 0;
  for (const std::uint32_t index : recipients) {
    if (index >= states_.size()) continue;
    if (place == 0) place = keep(std::move(outcome));
    assign(states_[index], place, action);
    states_[index].attempts = attempts;
  }
}

Snapshot Message::snapshot(Wall updated) {
  Snapshot snapshot;
  snapshot.facts = facts_;
  snapshot.states = states_;
  snapshot.outcomes = outcomes_;
  snapshot.counts = counts_;
  snapshot.serial = ++serial_;
  snapshot.final = final();
  snapshot.expires = expires_;
  snapshot.updated = updated;
  return snapshot;
}

std::uint32_t Message::keep(std::shared_ptr<const Outcome> outcome) {
  if (unused_.empty()) {
    outcomes_.push_back(std::move(outcome));
    users_.push_back(0);
    return static_cast<std::uint32_t>(outcomes_.size());
  }
  const std::uint32_t place = unused_.back();
  unused_.pop_back();
  outcomes_[place] = std::move(outcome);
  return place + 1;
}

void Message::assign(RecipientState& state, std::uint32_t outcome, Action action) {
  ++users_[outcome - 1]; // first, since it may be the one the recipient has
  drop_user(state.outcome);
  --counter(counts_, state.action);
  ++counter(counts_, action);
  state.outcome = outcome;
  state.action = action;
}

void Message::drop_user(std::uint32_t outcome) {
  if (outcome == 0 || --users_[outcome - 1] != 0) return;
  outcomes_[outcome - 1].reset();
  unused_.push_back(outcome - 1);
}

} // namespace bulkmail::spool
