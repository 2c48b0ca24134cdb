#include "agent/run/sts_cache.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <iterator>

namespace bulkmail::agent {

namespace {

// When a policy is fetched anew, though its id is the same: so that one in use never ends.
Monotonic refresh_at(Monotonic expires, std::chrono::seconds max_age) {
  return expires - std::min(StsCache::refresh_ahead, max_age / 2);
}

template <class Queue>
auto take_front(Queue& queue) {
  std::optional<typename Queue::value_type> front;
  if (!queue.empty()) {
    front = std::move(queue.front());
    queue.pop_front();
  }
  return front;
}

std::vector<std::string_view> split(std::string_view text, char at) {
  std::vector<std::string_view> parts;
  for (;;) {
    const std::size_t end = text.find(at);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

std::optional<std::int64_t> number(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

} // namespace

// A policy that was kept for longer than its life ends now; a clock that was turned back lengthens none.
void StsCache::restore(const std::string& domain, const StsKept& kept, Now now) {
  if (kept.expires <= now.wall || entries_.size() >= most_policies) return;
  Entry& entry = entries_[domain];
  if (entry.policy) return; // newer
  entry.policy = std::make_shared<const StsPolicy>(kept.policy);
  entry.id = kept.id;
  entry.expires = now.mono + std::min<milliseconds>(kept.expires - now.wall, kept.policy.max_age);
  set_timer(domain, entry, std::max(refresh_at(entry.expires, kept.policy.max_age), now.mono));
}

void StsCache::want(const std::string& domain, Now now) {
  Entry& entry = entries_[domain];
  entry.used = true;
  if (entry.checked_until > now.mono) return answer(domain, entry, now.mono);
  entry.waited_for = true;
  if (entry.asking || entry.fetching) return;
  entry.asking = true;
  actions_.push_back({Action::Kind::ask, domain});
}

std::optional<StsCache::Action> StsCache::next_action() { return take_front(actions_); }

void StsCache::told(const std::string& domain, std::span<const std::string> records, Monotonic until,
                    Now now) {
  const auto known = entries_.find(domain);
  if (known == entries_.end() || !known->second.asking) return;
  Entry& entry = known->second;
  entry.asking = false;
  entry.checked_until = std::min(until, now.mono + longest_check);
  const auto id = resolver::sts_id(records);
  const bool same = entry.holds(now.mono) && id == entry.id;
  const bool failed_before = id == entry.wanted_id && entry.again_at > now.mono;
  if (!id || same || failed_before) return answer(domain, entry, now.mono);
  entry.wanted_id = *id;
  if (entry.fetching) return; // one is under way, for the refresh
  entry.fetching = true;
  actions_.push_back({Action::Kind::fetch, domain});
}

void StsCache::fetched(const std::string& domain, const std::expected<std::string, std::string>& text,
                       Now now) {
  const auto known = entries_.find(domain);
  if (known == entries_.end() || !known->second.fetching) return;
  Entry& entry = known->second;
  entry.fetching = false;
  auto policy = text ? resolver::parse_sts_policy(*text)
                     : std::expected<StsPolicy, std::string>(std::unexpected(text.error()));
  if (policy && entries_.size() <= most_policies) {
    entry.policy = std::make_shared<const StsPolicy>(*std::move(policy));
    entry.id = entry.wanted_id;
    entry.problem.clear();
    learn(domain, entry, now);
  } else {
    entry.problem = text ? "its MTA-STS policy is unusable: " + policy.error()
                         : "its MTA-STS policy can't be fetched: " + text.error();
    entry.again_at = now.mono + between_tries;
    set_timer(domain, entry, entry.again_at);
  }
  answer(domain, entry, now.mono);
}

void StsCache::learn(const std::string& domain, Entry& entry, Now now) {
  const auto max_age = entry.policy->max_age;
  entry.expires = now.mono + max_age;
  entry.used = entry.waited_for;
  set_timer(domain, entry, refresh_at(entry.expires, max_age));
  learned_.emplace_back(domain, StsKept{entry.id, *entry.policy, now.wall + max_age});
}

void StsCache::answer(const std::string& domain, Entry& entry, Monotonic now) {
  const bool at_once = entry.checked_until > now && !entry.waited_for;
  if (std::exchange(entry.waited_for, false) || at_once) answers_.emplace_back(domain, state_of(entry, now));
  forget_if_useless(domain, now);
}

StsState StsCache::state_of(const Entry& entry, Monotonic now) {
  StsState state{nullptr, {}, entry.problem};
  if (!entry.holds(now)) return state;
  state.id = entry.id;
  if (entry.policy->mode != StsPolicy::Mode::none) state.policy = entry.policy;
  return state;
}

StsState StsCache::state(const std::string& domain, Monotonic now) const {
  const auto known = entries_.find(domain);
  return known == entries_.end() ? StsState{} : state_of(known->second, now);
}

void StsCache::set_timer(const std::string& domain, Entry& entry, Monotonic at) {
  if (entry.timer) timers_.erase(*entry.timer);
  entry.timer = timers_.emplace(at, domain);
}

// Of a domain without a policy the DNS cache knows as much.
void StsCache::forget_if_useless(const std::string& domain, Monotonic now) {
  const auto known = entries_.find(domain);
  const Entry& entry = known->second;
  if (entry.asking || entry.fetching || entry.waited_for || entry.holds(now) || entry.again_at > now) return;
  if (entry.timer) timers_.erase(*entry.timer);
  entries_.erase(known);
}

std::optional<std::pair<std::string, StsState>> StsCache::next_answer() { return take_front(answers_); }

std::optional<std::pair<std::string, StsKept>> StsCache::next_learned() { return take_front(learned_); }

std::optional<Monotonic> StsCache::deadline() const {
  return timers_.empty() ? std::nullopt : std::optional(timers_.begin()->first);
}

void StsCache::timeout(Now now) {
  while (!timers_.empty() && timers_.begin()->first <= now.mono) {
    const std::string domain = timers_.begin()->second;
    timers_.erase(timers_.begin());
    Entry& entry = entries_.at(domain);
    entry.timer.reset();
    if (!entry.holds(now.mono)) {
      forget_if_useless(domain, now.mono);
      continue;
    }
    set_timer(domain, entry, entry.expires);
    // One that nobody has asked for since it came may end.
    if (!entry.used || entry.fetching || entry.asking) continue;
    entry.wanted_id = entry.id;
    entry.fetching = true;
    actions_.push_back({Action::Kind::fetch, domain});
  }
}

// ---- On disk

std::string write_sts(const StsKeptByDomain& policies) {
  std::string text;
  for (const auto& [domain, kept] : policies) {
    fmt::format_to(std::back_inserter(text), "{} {} {} {} {} ", domain, kept.id,
                   kept.expires.time_since_epoch().count(), to_string(kept.policy.mode),
                   kept.policy.max_age.count());
    for (const std::string& pattern : kept.policy.mx) {
      if (&pattern != &kept.policy.mx.front()) text += ',';
      text += pattern;
    }
    text += '\n';
  }
  return text;
}

StsKeptByDomain read_sts(std::string_view text) {
  StsKeptByDomain policies;
  for (const std::string_view line : split(text, '\n')) {
    const auto fields = split(line, ' ');
    if (fields.size() != 6) continue;
    const auto expires = number(fields[2]), max_age = number(fields[4]);
    StsKept kept{std::string(fields[1]), {}, {}};
    bool right = expires && max_age && *max_age >= 0 && *max_age <= resolver::sts_max_age.count();
    using Mode = StsPolicy::Mode;
    for (const Mode mode : {Mode::none, Mode::testing, Mode::enforce})
      if (fields[3] == to_string(mode)) kept.policy.mode = mode;
    right = right && fields[3] == to_string(kept.policy.mode);
    if (!right) continue;
    kept.expires = Wall(milliseconds(*expires));
    kept.policy.max_age = std::chrono::seconds(*max_age);
    if (!fields[5].empty())
      for (const auto pattern : split(fields[5], ',')) kept.policy.mx.emplace_back(pattern);
    if (kept.policy.mx.empty() && kept.policy.mode != Mode::none) continue;
    policies.insert_or_assign(std::string(fields[0]), std::move(kept));
  }
  return policies;
}

} // namespace bulkmail::agent
