// The turns that messages take in a lane: deficit round robin over recipients (Shreedhar and Varghese 1995), by weight.
#include "agent/queue/scheduler_impl.h"

#include <algorithm>

namespace bulkmail::agent {

namespace {

// A transaction costs round trips, however few recipients it has: it is charged for a quarter of the largest at least, or a
// list whose recipients are spread over many domains would have a hundred transactions where another message has one.
constexpr std::uint32_t least_charge = 4; // a part of the largest transaction

std::uint32_t key_of(Ref<Mail> mail, Ref<Lane> lane) {
  return hash_of(static_cast<std::uint64_t>(mail.at) << 32 | lane.at);
}

} // namespace

std::int32_t Scheduler::Impl::quantum(const Mail& mail) const {
  constexpr std::uint64_t most = 1U << 30;
  const std::uint64_t all = std::max<std::uint64_t>(config.recipients_per_transaction, 1) * mail.weight;
  return static_cast<std::int32_t>(std::min(all, most));
}

Ref<Parcel> Scheduler::Impl::parcel_of(Ref<Mail> mail, const Lane& lane) const {
  return parcels.find(key_of(mail, lane.self), [&](Ref<Parcel> ref) {
    const Parcel& parcel = backlog.parcels[ref];
    return parcel.lane == lane.self && backlog.shares[parcel.shares.first()].mail == mail;
  });
}

// All of it was told of the present outage.
bool Scheduler::Impl::told(const Parcel& parcel, const Site& site) const {
  return site.down && parcel.step == site.step;
}

// A share joins its message's parcel in its domain's lane; or is there, and has something new.
void Scheduler::Impl::join(Ref<Share> ref, Where where) {
  Share& share = backlog.shares[ref];
  const Mail& mail = backlog.mails[share.mail];
  const bool is_in = static_cast<bool>(share.parcel);
  Lane& lane = is_in ? sites.lane(backlog.parcels[share.parcel].lane) : *domains[share.domain].lane;
  Site& site = *lane.site;
  // It may have been told here, and have left in between.
  if (site.down && backlog.jobs[share.ready.first()].step == site.step) where = Where::told;
  const bool ahead = where == Where::front || (where == Where::back && site.down);

  Ref<Parcel> at = is_in ? share.parcel : parcel_of(share.mail, lane);
  if (!at) {
    at = backlog.parcels.make(Parcel{.links = {}, .shares = {}, .credit = quantum(mail), .lane = lane.self});
    lane.weight += mail.weight;
    if (share.next_of_mail || mail.shares != ref) parcels.insert(key_of(share.mail, lane.self), at);
    if (where == Where::told) backlog.parcels[at].step = site.step;
    auto& ring = where == Where::told ? lane.told : lane.turns;
    ahead ? ring.push_front(backlog.parcels, at) : ring.push_back(backlog.parcels, at);
  } else if (Parcel& parcel = backlog.parcels[at]; where != Where::told && told(parcel, site)) {
    lane.told.remove(backlog.parcels, at);
    parcel.step = 0;
    lane.turns.push_front(backlog.parcels, at);
  } else if (where == Where::front) {
    lane.turns.remove(backlog.parcels, at);
    lane.turns.push_front(backlog.parcels, at);
  }
  Parcel& parcel = backlog.parcels[at];
  if (where == Where::front) parcel.credit = std::max(parcel.credit, 1);
  if (is_in) parcel.shares.remove(backlog.shares, ref);
  ahead ? parcel.shares.push_front(backlog.shares, ref) : parcel.shares.push_back(backlog.shares, ref);
  share.parcel = at;
  if (!is_in) count(share, share.waiting, 0);
  sites.refresh(lane);
}

// A share leaves its parcel; its recipients are counted elsewhere.
void Scheduler::Impl::part(Ref<Share> ref) {
  Share& share = backlog.shares[ref];
  const Ref<Parcel> at = std::exchange(share.parcel, {});
  Parcel& parcel = backlog.parcels[at];
  Lane& lane = sites.lane(parcel.lane);
  // Before the parcel loses its last share, and with that its message.
  if (share.links.next == ref) {
    (told(parcel, *lane.site) ? lane.told : lane.turns).remove(backlog.parcels, at);
    if (share.next_of_mail || backlog.mails[share.mail].shares != ref)
      parcels.erase(key_of(share.mail, lane.self), at);
    parcel.shares.remove(backlog.shares, ref);
    backlog.parcels.release(at);
    lane.weight -= backlog.mails[share.mail].weight;
  } else {
    parcel.shares.remove(backlog.shares, ref);
  }
  sites.refresh(lane);
}

// Whether its sender's rate at this Site lets a share have its turn; else it waits for that.
bool Scheduler::Impl::sender_lets(Ref<Share> ref, const Site& site, Monotonic now) {
  const Share& share = backlog.shares[ref];
  const SiteRule* rule = nullptr;
  std::string sender;
  if (config.sites.any_sender()) {
    const DomainQueue& domain = domains[share.domain];
    sender = SenderPattern::domain_of(backlog.mails[share.mail].facts.sender());
    rule = config.sites.sender(sender, domain.name, *domain.way);
  }
  if (rule == nullptr) {
    if (const Ref<SenderRate> old = share.sender_rate) { // the rules have changed
      sender_rates.release(ref, now);
      sender_rates.look_again(old, now);
    }
    return true;
  }
  const Ref<SenderRate> rate = sender_rates.find_or_make(*rule, site.name, sender, now);
  if (share.sender_rate != rate) sender_rates.release(ref, now);
  if (sender_rates.lets(rate, ref, now)) return true;
  leave(ref, now);
  sender_rates.wait(rate, ref, now);
  ready += share.waiting;
  return false;
}

// Whose turn it is in a lane. What cannot be served there goes where it waits for what it lacks. None: nobody's, or the
// budget is spent.
Ref<Share> Scheduler::Impl::next_share(Lane& lane, Monotonic now) {
  const Site& site = *lane.site;
  while (const Ref<Parcel> at = lane.turns.first()) {
    if (!spend()) return {};
    Parcel& parcel = backlog.parcels[at];
    const Ref<Share> ref = parcel.shares.first();
    const Share& share = backlog.shares[ref];
    const Mail& mail = backlog.mails[share.mail];
    DomainQueue& domain = domains[share.domain];
    if (mail.held) {
      leave(ref, now);
      held += share.waiting;
    } else if (domain.held || !domain.usable(now)) {
      leave(ref, now);
      if (!domain.held) domain.turn_kept = true;
      wait(ref, true, now);
    } else if (domain.limited(now) && !site.down) {
      leave(ref, now);
      wait(ref, true, now);
    } else if (domain.lane != &lane) {
      leave(ref, now);
      join(ref, Where::back);
    } else if (site.down) {
      if (backlog.jobs[share.ready.first()].step != site.step) return ref;
      lane.turns.remove(backlog.parcels, at);
      parcel.step = site.step;
      lane.told.push_back(backlog.parcels, at);
      sites.refresh(lane);
    } else if (parcel.credit <= 0) {
      parcel.credit += quantum(mail);
      lane.turns.rotate(backlog.parcels);
    } else if (sender_lets(ref, site, now)) {
      return ref;
    }
  }
  return {};
}

// What a transaction costs is taken from the parcel's credit; when that is used up, the others have their turns.
void Scheduler::Impl::charge(Ref<Parcel> at, std::uint32_t recipients) {
  Parcel& parcel = backlog.parcels[at];
  const std::uint32_t least = config.recipients_per_transaction / least_charge;
  parcel.credit -= static_cast<std::int32_t>(std::max(recipients, least));
  if (parcel.credit > 0) return;
  parcel.credit += quantum(backlog.mails[backlog.shares[parcel.shares.first()].mail]);
  sites.lane(parcel.lane).turns.rotate(backlog.parcels);
}

} // namespace bulkmail::agent
