#include "tests/agent/day_books.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <numeric>
#include <utility>

namespace bulkmail::agent::test {

using namespace std::chrono_literals;
using Kind = Work::Kind;
using State = Addressee::State;

namespace {

template <class... Arguments>
void require(bool holds, fmt::format_string<Arguments...> text, Arguments&&... arguments) {
  if (!holds) throw Broken(fmt::format(text, std::forward<Arguments>(arguments)...));
}

bool is_transaction(Kind kind) { return kind == Kind::open || kind == Kind::reuse; }

bool leaves(Kind kind) { return kind == Kind::expired || kind == Kind::cancelled; }

} // namespace

// ---- Recipients

Letter& RecipientBooks::add(std::vector<std::uint32_t> domains, Monotonic expires, Monotonic now) {
  Letter& letter = letters.emplace_back();
  letter.expires = expires;
  letter.left = domains.size();
  for (const std::uint32_t domain : domains)
    letter.addressees.push_back({.domain = domain, .since = now, .due = now, .overdue = now});
  letter.live.resize(domains.size());
  std::iota(letter.live.begin(), letter.live.end(), 0U);
  added += domains.size();
  return letter;
}

void RecipientBooks::taken(const Work& work, const std::vector<DayDomain>& domains, Monotonic now) {
  Letter& letter = of(work.message);
  require(!work.recipients.empty(), "an attempt without recipients");
  require(!letter.cancelled || leaves(work.kind), "message {} was cancelled, and is tried", work.message);
  require(!letter.held || leaves(work.kind), "message {} is held, and is tried", work.message);
  require(work.kind != Kind::cancelled || letter.cancelled, "message {} was not cancelled", work.message);
  require(work.kind != Kind::expired || letter.expires <= now, "message {} expires too early", work.message);
  const std::uint32_t first = letter.addressees.at(work.recipients.front()).domain;
  for (const auto recipient : work.recipients) {
    Addressee& addressee = letter.addressees.at(recipient);
    require(addressee.state == State::waiting, "recipient {} of message {} is in two places", recipient,
            work.message);
    addressee.state = State::attempt;
    if (leaves(work.kind)) continue;
    const auto ready = due(letter, addressee);
    require(ready && *ready <= now, "recipient {} of message {} is tried before its time", recipient,
            work.message);
    require(!is_transaction(work.kind) || addressee.domain == first, "a transaction of two domains");
    require(!is_transaction(work.kind) || work.way->domain == domains[first].name,
            "a transaction along another domain's route");
  }
  in_attempt += work.recipients.size();
}

void RecipientBooks::put_back(Addressee& addressee, Monotonic due, Monotonic overdue, Monotonic now) {
  require(addressee.state == State::attempt, "a recipient comes back that was not tried");
  addressee.state = State::waiting;
  addressee.since = now;
  addressee.due = due;
  addressee.overdue = overdue;
  --in_attempt;
}

void RecipientBooks::settle(Letter& letter, Addressee& addressee, State how) {
  require(addressee.state == State::attempt, "a recipient is settled that was not tried");
  addressee.state = how;
  --letter.left;
  --in_attempt;
  ++settled;
}

const RecipientBooks::OfDomain& RecipientBooks::domain(std::uint32_t number) const {
  static const OfDomain none;
  return number < domains_.size() ? domains_[number] : none;
}

RecipientBooks::OfDomain& RecipientBooks::domain(std::uint32_t number) {
  if (number >= domains_.size()) domains_.resize(number + 1);
  return domains_[number];
}

void RecipientBooks::flushed(std::uint32_t number, Monotonic now) { domain(number).flushed = now; }

void RecipientBooks::hold_domain(std::uint32_t number, bool held, Monotonic now) {
  domain(number).held = held;
  if (!held) domain(number).released = now;
}

std::optional<Monotonic> RecipientBooks::from(const Letter& letter, const Addressee& addressee,
                                              Monotonic time) const {
  const OfDomain& of_domain = domain(addressee.domain);
  if (letter.held || of_domain.held) return std::nullopt;
  const Monotonic flushed = std::max(flushed_, of_domain.flushed);
  if (addressee.since <= flushed) time = std::min(time, flushed);
  return std::max({addressee.since, time, letter.released, of_domain.released});
}

// ---- Limits

bool LimitBooks::Sent::add(const Rate& rate, std::size_t count, Monotonic now) {
  while (!recent_.empty() && recent_.front().first + rate.period <= now) {
    sum_ -= recent_.front().second;
    recent_.pop_front();
  }
  recent_.emplace_back(now, count);
  sum_ += count;
  return sum_ <= rate.count;
}

void LimitBooks::opened(std::uint32_t number, const DaySite& what, Monotonic now) {
  OfSite& site = sites[number];
  ++site.sessions.opening;
  ++total.opening;
  const std::uint32_t limit = what.habit == Habit::bounded ? bounded_limit : config_.connections_per_site;
  require(site.sessions.all() <= limit, "{} sessions to {}", site.sessions.all(), what.host);
  require(total.all() <= config_.connections, "{} sessions in all", total.all());
  if (!site.was_down) return;
  // One tries it; each answer lets one more in, and what ended may be opened again.
  ++site.opens;
  require(site.opens <= 1 + site.answers + site.ends,
          "a herd at {}, which is back: {} sessions opened after {} answers and {} ends", what.host,
          site.opens, site.answers, site.ends);
  if (site.first_answer == Monotonic{}) return;
  if (now > site.first_answer + 1s) {
    site.was_down = false;
  } else {
    most_at_return = std::max(most_at_return, site.opens);
  }
}

void LimitBooks::answered(std::uint32_t number, Monotonic now) {
  OfSite& site = sites[number];
  ++site.answers;
  if (site.first_answer == Monotonic{}) site.first_answer = now;
}

void LimitBooks::down(std::uint32_t number, Monotonic retry) {
  OfSite& site = sites[number];
  site.retry = retry;
  site.was_down = true;
  site.opens = site.ends = site.answers = 0;
  site.first_answer = {};
}

void LimitBooks::sent(std::uint32_t number, const DaySite& what, std::uint32_t domain, bool paced,
                      std::size_t recipients, Monotonic now) {
  if (what.habit == Habit::metered)
    require(site_sent_[number].add(metered_rate, 1, now), "too many messages at {}", what.host);
  if (what.habit == Habit::counted)
    require(site_sent_[number].add(counted_rate, recipients, now), "too many recipients at {}", what.host);
  if (paced) require(domain_sent_[domain].add(paced_rate, 1, now), "too many messages to domain {}", domain);
}

void LimitBooks::sent_from(const resolver::IpAddress& address, std::size_t recipients, Monotonic now) {
  const auto source = std::ranges::find(config_.sources, address, &SourceRule::address);
  require(source != config_.sources.end(), "from elsewhere");
  if (source->warmup.empty()) return;
  require(source_sent_[address].add(source->warmup.front(), recipients, now), "too many recipients from {}",
          address.to_string());
}

} // namespace bulkmail::agent::test
