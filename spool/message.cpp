#include "spool/message.h"

#include <algorithm>
#include <limits>
#include <utility>

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

struct Message::Single {
  SharedOutcome outcome;
  std::uint16_t attempts = 0;
};

struct Message::Record {
  explicit Record(std::uint32_t total) : states(total) { counts.total = counts.queued = total; }

  std::uint32_t keep(SharedOutcome outcome); // answers 1 + its index
  RecipientState& assign(std::uint32_t recipient, std::uint32_t outcome, Action action);
  void drop_user(std::uint32_t outcome);

  SharedBlocks<RecipientState> states;
  // An outcome that no recipient has any more is forgotten and its place used again, so that a message
  // retried for days doesn't grow.
  SharedBlocks<SharedOutcome> outcomes;
  std::vector<std::uint32_t> users;  // of each outcome: how many recipients have it
  std::vector<std::uint32_t> unused; // places in outcomes
  Counts counts;
};

Message::Message(PackedFacts facts, Wall expires)
    : facts_(std::move(facts)),
      expires_(expires),
      total_(static_cast<std::uint32_t>(facts_.recipients())) {}

Message::Message(Message&& other) noexcept
    : facts_(std::move(other.facts_)),
      expires_(other.expires_),
      serial_(other.serial_),
      total_(other.total_),
      p50_(other.p50_),
      p99_(other.p99_) {
  if (single())
    single_ = std::exchange(other.single_, nullptr);
  else
    record_ = std::exchange(other.record_, nullptr);
}

Message::~Message() {
  if (single())
    delete single_;
  else
    delete record_;
}

void Message::set_single(SharedOutcome outcome, std::uint16_t attempts) {
  if (single_ == nullptr) single_ = new Single;
  *single_ = {std::move(outcome), attempts};
}

Message::Record& Message::record() {
  if (record_ == nullptr) record_ = new Record(total_);
  return *record_;
}

RecipientState Message::state(std::size_t recipient) const {
  if (!single()) return record_ != nullptr ? record_->states[recipient] : RecipientState();
  return single_ != nullptr ? RecipientState{1, single_->attempts, single_->outcome.action()}
                            : RecipientState();
}

Counts Message::counts() const {
  if (!single() && record_ != nullptr) return record_->counts;
  Counts counts;
  counts.total = total_;
  if (total_ != 0) counter(counts, single() ? state(0).action : Action::queued) = total_;
  return counts;
}

const SharedOutcome* Message::outcome(std::size_t recipient) const {
  if (single()) return single_ != nullptr ? &single_->outcome : nullptr;
  const auto place = state(recipient).outcome;
  return place == 0 ? nullptr : &record_->outcomes[place - 1];
}

std::optional<Wall> Message::next_attempt_date() const {
  std::optional<Wall> earliest;
  if (single()) return single_ != nullptr ? single_->outcome.next_attempt_date() : earliest;
  if (record_ == nullptr) return earliest;
  for (std::size_t place = 0; place < record_->outcomes.size(); ++place) {
    const auto& outcome = record_->outcomes[place];
    const auto next = outcome ? outcome.next_attempt_date() : std::nullopt;
    if (next) earliest = std::min(earliest.value_or(*next), *next);
  }
  return earliest;
}

void Message::set_forecast(const std::optional<Forecast>& forecast) {
  p50_ = forecast ? seconds_of(forecast->p50) : 0;
  p99_ = forecast ? seconds_of(forecast->p99) : 0;
}

std::size_t Message::apply(std::span<const std::uint32_t> recipients, SharedOutcome outcome) {
  const Action action = outcome.action();
  const bool attempted = outcome.said().attempted;
  const auto count_up = [&](std::uint16_t attempts) {
    return attempted && attempts < std::numeric_limits<std::uint16_t>::max()
               ? static_cast<std::uint16_t>(attempts + 1)
               : attempts;
  };
  std::uint32_t place = 0;
  std::uint32_t changed = 0;
  for (const std::uint32_t index : recipients) {
    if (index >= total_ || is_final(this->action(index))) continue;
    ++changed;
    if (single()) {
      set_single(outcome, count_up(attempts(index)));
      continue;
    }
    if (place == 0) place = record().keep(std::move(outcome));
    RecipientState& state = record_->assign(index, place, action);
    state.attempts = count_up(state.attempts);
  }
  return changed;
}

void Message::restore(std::span<const std::uint32_t> recipients, SharedOutcome outcome,
                      std::uint16_t attempts) {
  const Action action = outcome.action();
  std::uint32_t place = 0;
  for (const std::uint32_t index : recipients) {
    if (index >= total_) continue;
    if (single()) {
      set_single(outcome, attempts);
      continue;
    }
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
  if (single()) {
    if (single_ == nullptr) return snapshot;
    snapshot.states = SharedBlocks<RecipientState>(1);
    snapshot.states.at(0) = state(0);
    snapshot.outcomes.push_back(single_->outcome);
    return snapshot;
  }
  if (record_ == nullptr) return snapshot;
  snapshot.states = record_->states;
  snapshot.outcomes = record_->outcomes;
  return snapshot;
}

std::uint32_t Message::Record::keep(SharedOutcome outcome) {
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
  outcomes.at(outcome - 1) = {};
  unused.push_back(outcome - 1);
}

} // namespace bulkmail::spool
