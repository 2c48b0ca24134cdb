#include "agent/queue/sender_rates.h"

#include <functional>
#include <utility>

namespace bulkmail::agent {

namespace {

std::uint32_t hash_of_names(std::string_view site, std::string_view sender) {
  const std::hash<std::string_view> hash;
  return hash_of(hash(site) * 31 + hash(sender));
}

} // namespace

Ref<SenderRate> SenderRates::find_or_make(const SiteRule& rule, std::string_view site,
                                          std::string_view sender, Monotonic now) {
  const std::uint32_t hash = hash_of_names(site, sender);
  Ref<SenderRate> ref = by_name_.find(
      hash, [&](Ref<SenderRate> at) { return rates_[at].site == site && rates_[at].sender == sender; });
  if (!ref) {
    ref = rates_.make();
    rates_[ref].site = site;
    rates_[ref].sender = sender;
    rates_[ref].hash = hash;
    by_name_.insert(hash, ref);
  }
  SenderRate& rate = rates_[ref];
  if (std::exchange(rate.rule, &rule) != &rule) {
    rate.meter.set(&rule, now);
    arm(ref, now);
  }
  return ref;
}

bool SenderRates::lets(Ref<SenderRate> ref, Ref<Share> share, Monotonic now) {
  const SenderRate& rate = rates_[ref];
  if (rate.meter.next(now) > now || !(rate.waiting.empty() || rate.out == share)) return false;
  if (std::exchange(shares_[share].sender_rate, ref) != ref) ++rates_[ref].users;
  return true;
}

void SenderRates::wait(Ref<SenderRate> ref, Ref<Share> share, Monotonic now) {
  shares_[share].sender_rate = ref;
  ++rates_[ref].users;
  rates_[ref].waiting.push_back(shares_, share);
  arm(ref, now);
}

void SenderRates::release(Ref<Share> share, Monotonic now) {
  const Ref<SenderRate> ref = std::exchange(shares_[share].sender_rate, {});
  if (!ref) return;
  SenderRate& rate = rates_[ref];
  --rate.users;
  if (rate.out == share) {
    rate.out = {};
  } else if (!shares_[share].parcel) {
    rate.waiting.remove(shares_, share);
  }
  arm(ref, now);
}

void SenderRates::take(Ref<SenderRate> ref, Ref<Share> share, std::uint32_t recipients, Monotonic now) {
  rates_[ref].meter.take(recipients, now);
  if (shares_[share].sender_rate == ref) release(share, now);
  arm(ref, now);
}

Ref<Share> SenderRates::let_out(Monotonic now) {
  while (!wakes_.empty() && wakes_.top_key() <= now) {
    const Ref<SenderRate> ref = wakes_.top();
    SenderRate& rate = rates_[ref];
    wakes_.erase(ref);
    if (const Ref<Share> share = rate.waiting.first()) {
      rate.waiting.remove(shares_, share);
      rate.out = share;
      return share;
    }
    if (rate.meter.next(now) > now) {
      arm(ref, now);
    } else if (rate.users == 0) {
      by_name_.erase(rate.hash, ref);
      rates_.release(ref);
    }
  }
  return {};
}

std::optional<Monotonic> SenderRates::wake_at() const {
  return wakes_.empty() ? std::nullopt : std::optional(wakes_.top_key());
}

void SenderRates::look_again(Ref<SenderRate> ref, Monotonic now) {
  if (!rates_[ref].out) wakes_.set(ref, now);
}

void SenderRates::replace_rules(Monotonic now) {
  for (auto ref = rates_.first(); ref; ref = rates_.after(ref)) {
    rates_[ref].rule = nullptr;
    look_again(ref, now);
  }
}

void SenderRates::arm(Ref<SenderRate> ref, Monotonic now) {
  if (rates_[ref].out) {
    wakes_.erase(ref);
  } else {
    wakes_.set(ref, rates_[ref].meter.next(now));
  }
}

} // namespace bulkmail::agent
