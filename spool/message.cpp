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

// Good until 2106.
std::uint32_t seconds_of(Wall when) {
  const auto count = std::chrono::ceil<std::chrono::seconds>(when.time_since_epoch()).count();
  return static_cast<std::uint32_t>(
      std::clamp<std::int64_t>(count, 1, std::numeric_limits<std::uint32_t>::max()));
}

Wall wall_of(std::uint32_t seconds) { return Wall(std::chrono::seconds(seconds)); }

} // namespace

struct Message::Record {
  explicit Record(std::uint32_t total) : states(total) { counts.total = counts.queued = total; }

  std::uint32_t keep(std::shared_ptr<const Outcome> outcome); // answers 1 + its index
  RecipientState& assign(std::uint32_t recipient, std::uint32_t outcome, Action action);
  void drop_user(std::uint32_t outcome);

  SharedBlocks<RecipientState> states;
  // An outcome that no recipient has any more is forgotten and its place used again, so that a message
  // retried for days doesn't grow.
  SharedBlocks<std::shared_ptr<const Outcome>> outcomes;
  std::vector<std::uint32_t> users;  // of each outcome: how many recipients have it
  std::vector<std::uint32_t> unused; // places in outcomes
  Counts counts;
};

Message::Message(PackedFacts facts, Wall expires)
    : facts_(std::move(facts)),
      expires_(expires),
      total_(static_cast<std::uint32_t>(facts_.recipients())) {}

Message::Message(Message&&) noexcept = default;

Message::~Message() = default;

Message::Record& Message::record() {
  if (!record_) record_ = std::make_unique<Record>(total_);
  return *record_;
}

RecipientState Message::state(std::size_t recipient) const {
  return record_ ? record_->states[recipient] : RecipientState();
}

Counts Message::counts() const {
  if (record_) return record_->counts;
  Counts counts;
  counts.total = counts.queued = total_;
  return counts;
}

const Outcome* Message::outcome(std::size_t recipient) const {
  const auto place = state(recipient).outcome;
  return place == 0 ? nullptr : record_->outcomes[place - 1].get();
}

std::shared_ptr<const Outcome> Message::shared_outcome(std::size_t recipient) const {
  const auto place = state(recipient).outcome;
  return place == 0 ? nullptr : record_->outcomes[place - 1];
}

std::optional<Wall> Message::next_attempt_date() const {
  std::optional<Wall> earliest;
  if (!record_) return earliest;
  for (std::size_t place = 0; place < record_->outcomes.size(); ++place) {
    const auto& outcome = record_->outcomes[place];
    if (!outcome || !outcome->next_attempt_date) continue;
    earliest = std::min(earliest.value_or(*outcome->next_attempt_date), *outcome->next_attempt_date);
  }
  return earliest;
}

void Message::set_forecast(const std::optional<Forecast>& forecast) {
  p50_ = forecast ? seconds_of(forecast->p50) : 0;
  p99_ = forecast ? seconds_of(forecast->p99) : 0;
}

std::size_t Message::apply(std::span<const std::uint32_t> recipients,
                           std::shared_ptr<const Outcome> outcome) {
  const Action action = outcome->action;
  const bool attempted = outcome->attempted;
  std::uint32_t place = 0;
  std::uint32_t changed = 0;
  for (const std::uint32_t index : recipients) {
    if (index >= total_ || is_final(this->action(index))) continue;
    if (place == 0) place = record().keep(std::move(outcome));
    RecipientState& state = record_->assign(index, place, action);
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
    if (index >= total_) continue;
    if (place == 0) place = record().keep(std::move(outcome));
    record_->assign(index, place, action).attempts = attempts;
  }
}

Snapshot Message::snapshot(Wall updated) {
  ++serial_;
  return view(updated);
}

Snapshot Message::view(Wall updated) const {
  Snapshot snapshot{facts_, {}, {}, counts(), {}, serial_, final(), expires_, updated};
  if (p99_ != 0) snapshot.forecast = Forecast{wall_of(p50_), wall_of(p99_)};
  if (!record_) return snapshot;
  snapshot.states = record_->states;
  snapshot.outcomes = record_->outcomes;
  return snapshot;
}

std::uint32_t Message::Record::keep(std::shared_ptr<const Outcome> outcome) {
  if (unused.empty()) {
    outcomes.push_back(std::move(outcome));
    users.push_back(0);
    return static_cast<std::uint32_t>(outcomes.size());
  }
  const std::uint32_t place = unused.back();
  unused.pop_back();
  outcomes.at(place) = std::move(outcome);
  return place + 1;
}

RecipientState& Message::Record::assign(std::uint32_t recipient, std::uint32_t outcome, Action action) {
  RecipientState& state = states.at(recipient);
  ++users[outcome - 1]; // first, since it may be the one the recipient has
  drop_user(state.outcome);
  --counter(counts, state.action);
  ++counter(counts, action);
  state.outcome = outcome;
  state.action = action;
  return state;
}

void Message::Record::drop_user(std::uint32_t outcome) {
  if (outcome == 0 || --users[outcome - 1] != 0) return;
  outcomes.at(outcome - 1).reset();
  unused.push_back(outcome - 1);
}

} // namespace bulkmail::spool
