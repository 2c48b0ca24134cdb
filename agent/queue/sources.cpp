#include "agent/queue/sources.h"

#include <algorithm>
#include <utility>

namespace bulkmail::agent {

using Family = resolver::IpAddress::Family;

void Sources::set_rules(std::span<const SourceRule> rules, Monotonic now) {
  for (auto& [address, source] : addresses_) {
    if (std::ranges::find(rules, address, &SourceRule::address) != rules.end()) continue;
    source.warming = false;
    source.warmup.set_steps({}, now);
    look_at(source, now);
  }
  for (const SourceRule& rule : rules) {
    SourceAddress& source = find_or_make(rule.address);
    source.warming = !rule.warmup.empty();
    source.warmup.set_steps(rule.warmup, now);
    look_at(source, now);
  }
}

void Sources::restore(const WarmupStates& states, Now now) {
  for (auto& [address, source] : addresses_) {
    const auto state = states.find(address);
    if (!source.warming || state == states.end()) continue;
    source.warmup.resume(state->second, now);
    look_at(source, now.mono);
  }
}

WarmupStates Sources::states(Now now) {
  WarmupStates states;
  for (auto& [address, source] : addresses_)
    if (source.warming) states.emplace(address, source.warmup.state(now));
  return states;
}

SourceList* Sources::list(std::span<const resolver::IpAddress> addresses) {
  if (addresses.empty()) return nullptr;
  for (SourceList& known : lists_)
    if (std::ranges::equal(known.addresses, addresses)) return &known;
  SourceList& made = lists_.emplace_back();
  made.addresses.assign(addresses.begin(), addresses.end());
  for (const auto& address : made.addresses) {
    SourceAddress& source = find_or_make(address);
    const auto join = [&](SourcePool& pool) {
      pool.addresses.push_back(&source);
      source.pools.push_back(&pool);
      if (source.has_room) ++pool.with_room;
    };
    join(made.pools[address.family == Family::v4 ? 0 : 1]);
    join(made.pools[2]);
  }
  for (SourcePool& pool : made.pools) pool.first = made.addresses.front();
  return &made;
}

SourcePool& Sources::pool(SourceList& list, const resolver::Route& route) {
  const auto reaches = [&](Family family) {
    return std::ranges::any_of(route.hosts, [&](const resolver::MailHost& host) {
      return std::ranges::find(host.addresses, family, &resolver::IpAddress::family) != host.addresses.end();
    });
  };
  const bool v4 = reaches(Family::v4), v6 = reaches(Family::v6);
  return list.pools[v4 == v6 ? 2 : v4 ? 0 : 1];
}

SourceAddress* Sources::choose(SourcePool& pool) {
  for (std::size_t tried = 0; tried < pool.addresses.size(); ++tried) {
    SourceAddress* source = pool.addresses[pool.turn++ % pool.addresses.size()];
    if (source->has_room) return source;
  }
  return nullptr;
}

std::uint32_t Sources::most(SourceAddress& source, Monotonic now) { return source.warmup.chunk(now); }

void Sources::spend(SourceAddress& source, std::uint32_t recipients, Monotonic now) {
  if (!source.warming) return;
  source.warmup.take(recipients, now);
  look_at(source, now);
}

SourceAddress* Sources::rested(Monotonic now) {
  if (resting_.empty() || resting_.top_key() > now) return nullptr;
  SourceAddress* source = resting_.top();
  look_at(*source, now);
  return source;
}

std::optional<Monotonic> Sources::wake_at() const {
  return waited_for_ > 0 && !resting_.empty() ? std::optional(resting_.top_key()) : std::nullopt;
}

void Sources::update(SourcePool& pool) {
  const bool waited_for = !pool.waiting.empty();
  if (std::exchange(pool.waited_for, waited_for) != waited_for) waited_for ? ++waited_for_ : --waited_for_;
  const bool ready = waited_for && pool.has_room();
  if (ready == pool.linked()) return;
  ready ? ready_.push_back(pool) : pool.unlink();
}

void Sources::had_its_turn(SourcePool& pool) {
  pool.unlink();
  update(pool);
}

Monotonic Sources::next(const SourcePool& pool, Monotonic now) {
  if (pool.has_room()) return now;
  Monotonic next = Monotonic::max();
  for (SourceAddress* source : pool.addresses) next = std::min(next, source->warmup.next(now));
  return next;
}

SourceAddress& Sources::find_or_make(const resolver::IpAddress& address) {
  return addresses_.try_emplace(address, address).first->second;
}

void Sources::look_at(SourceAddress& source, Monotonic now) {
  const Monotonic next = source.warmup.next(now);
  const bool has_room = next <= now;
  if (has_room) {
    resting_.erase(&source);
  } else {
    resting_.set(&source, next);
  }
  if (std::exchange(source.has_room, has_room) == has_room) return;
  for (SourcePool* pool : source.pools) {
    has_room ? ++pool->with_room : --pool->with_room;
    update(*pool);
  }
}

} // namespace bulkmail::agent
