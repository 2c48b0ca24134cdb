#include "spool/shared_outcome.h"

#include <functional>
#include <string_view>

namespace bulkmail::spool {
namespace {

Outcome without_dates(const Outcome& whole) {
  Outcome said = whole;
  said.last_attempt_date.reset();
  said.next_attempt_date.reset();
  said.will_retry_until.reset();
  return said;
}

bool has_dates(const Outcome& outcome) {
  return outcome.last_attempt_date || outcome.next_attempt_date || outcome.will_retry_until;
}

// Of what makes most outcomes differ.
std::size_t hash_of(const Outcome& outcome) {
  constexpr std::hash<std::string_view> hash;
  return hash(outcome.diagnostic_code) ^ (hash(outcome.remote_address) << 1) ^
         static_cast<std::size_t>(outcome.action);
}

} // namespace

SharedOutcome::SharedOutcome(const std::shared_ptr<const Outcome>& whole)
    : said_(has_dates(*whole) ? std::make_shared<const Outcome>(without_dates(*whole)) : whole) {
  take_dates(*whole);
}

Outcome SharedOutcome::whole() const {
  Outcome whole = *said_;
  whole.last_attempt_date = date(last_attempt_);
  whole.next_attempt_date = date(next_attempt_);
  whole.will_retry_until = date(retry_until_);
  return whole;
}

void SharedOutcome::take_dates(const Outcome& whole) {
  last_attempt_ = whole.last_attempt_date.value_or(none);
  next_attempt_ = whole.next_attempt_date.value_or(none);
  retry_until_ = whole.will_retry_until.value_or(none);
}

SharedOutcome OutcomeShelf::share(const Outcome& whole) {
  known_.resize(places);
  Outcome said = without_dates(whole);
  auto& known = known_[hash_of(said) % places];
  if (!known || *known != said) known = std::make_shared<const Outcome>(std::move(said));
  SharedOutcome shared;
  shared.said_ = known;
  shared.take_dates(whole);
  return shared;
}

} // namespace bulkmail::spool
