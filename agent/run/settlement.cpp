#include "agent/run/settlement.h"

#include "spool/bounce/bounce_class.h"
#include "spool/bounce/requested_delay.h"
#include "transport/mixed_domains.h"

#include <algorithm>

namespace bulkmail::agent {

spool::Outcome cancelled_outcome(Wall now) {
  auto outcome = transport::local_outcome(spool::Action::failed, spool::Source::local, "5.7.0",
                                          std::string(spool::cancelled_text) + " by hand", now);
  outcome.attempted = false;
  return outcome;
}

milliseconds Settler::delay(const spool::Outcome& outcome, std::uint32_t attempts) const {
  const milliseconds scheduled = schedule_.delay(attempts, *dice_);
  const auto requested = spool::requested_delay(outcome);
  if (!requested) return scheduled;
  // What was put off together for the same time must not all come back in the same instant.
  const auto spread = static_cast<std::uint64_t>(*requested / requested_spread / milliseconds(1));
  const milliseconds due = *requested + milliseconds(static_cast<std::int64_t>(dice_->below(spread + 1)));
  return std::max(scheduled, std::min(due, schedule_.longest()));
}

Disposition Settler::add(Settlement& settlement, spool::Outcome outcome, const Work& work, std::size_t place,
                         Now now, std::optional<Monotonic> due) const {
  Disposition disposition{Disposition::Kind::done, {}};
  if (outcome.action == spool::Action::delayed) {
    const milliseconds wait =
        due ? std::chrono::ceil<milliseconds>(*due - now.mono) : delay(outcome, work.attempts[place] + 1U);
    disposition = {Disposition::Kind::delayed, due.value_or(now.mono + wait)};
    outcome.next_attempt_date = std::min(now.wall + wait, work.expires);
    outcome.will_retry_until = work.expires;
  }
  settlement.groups.push_back({std::move(outcome), {}});
  return disposition;
}

Settlement Settler::settle(const Work& work, std::span<const transport::RecipientResult> results,
                           const transport::Peer& peer, Now now) const {
  Settlement settlement;
  settlement.dispositions.reserve(results.size());

  struct Known {
    std::size_t first;      // whose answer it was
    std::uint16_t attempts; // recipients tried more often wait longer
    Disposition disposition;
  };

  std::vector<Known> known; // beside settlement.groups; few, since peers answer in few ways
  for (std::size_t i = 0; i < results.size(); ++i) {
    // Nobody is judged by what is wrong with the transaction: those it is about go into others, of one domain each.
    const bool unmix = work.mixed && transport::refuses_mixed_domains(results[i]);
    settlement.mixing_refused |= unmix;
    if (unmix || results[i].kind == transport::RecipientResult::Kind::again) {
      settlement.dispositions.push_back({Disposition::Kind::again, {}});
      continue;
    }
    const std::uint32_t recipient = work.recipients[i];
    const std::uint16_t attempts = work.attempts[i];
    std::size_t group = 0;
    while (group < known.size() &&
           !(known[group].attempts == attempts && results[known[group].first] == results[i])) {
      ++group;
    }
    if (group == known.size()) {
      auto outcome = transport::verdict(results[i], peer, retry_indeterminate_, now.wall);
      known.push_back({i, attempts, add(settlement, std::move(outcome), work, i, now)});
      settlement.groups.back().recipients.reserve(results.size() - i);
    }
    settlement.groups[group].recipients.push_back(recipient);
    settlement.dispositions.push_back(known[group].disposition);
  }
  return settlement;
}

Settlement Settler::settle(const Work& work, std::span<const spool::Outcome> outcomes, Now now) const {
  Settlement settlement;
  std::size_t first = 0; // of a run that was answered alike
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    const bool alike = i > 0 && outcomes[i] == outcomes[first] && work.attempts[i] == work.attempts[first];
    if (alike) {
      settlement.dispositions.push_back(settlement.dispositions.back());
    } else {
      first = i;
      settlement.dispositions.push_back(add(settlement, outcomes[i], work, i, now));
    }
    settlement.groups.back().recipients.push_back(work.recipients[i]);
  }
  return settlement;
}

Settlement Settler::settle(const Work& work, const spool::Outcome& outcome, Now now,
                           std::optional<Monotonic> due) const {
  Settlement settlement;
  const Disposition disposition = add(settlement, outcome, work, 0, now, due);
  settlement.groups.front().recipients = work.recipients;
  settlement.dispositions.assign(work.recipients.size(), disposition);
  return settlement;
}

Settlement Settler::put_back(const Work& work) {
  Settlement settlement;
  settlement.dispositions.assign(work.recipients.size(), {Disposition::Kind::again, {}});
  return settlement;
}

} // namespace bulkmail::agent
