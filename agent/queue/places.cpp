#include "agent/queue/places.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace bulkmail::agent {

namespace {

// How long a session may keep its place while Sites without any wait: long enough to be worth its set-up of
// some round trips, short enough that ten Sites for each place wait for less than half a minute.
constexpr std::chrono::seconds turn{2};

// A first session has so long before it may have to give its place up: a lost packet or two (RFC 6298 §2: three seconds for
// them), and time for a greeting.
constexpr std::chrono::seconds first_patience{5};
constexpr std::uint32_t most_doublings = 6; // 5 min 20 s, longer than RFC 5321 §4.5.3.2.1 asks for a greeting

// New Sites that are tried for each one that was tried in vain before.
constexpr std::uint32_t fresh_for_again = 3;

} // namespace

void Places::set_limit(std::uint32_t limit) { limit_ = std::max(limit, 1U); }

void Places::update(Site& site) {
  const bool active = !site.down && (site.working > 0 || site.opening + site.busy > 0);
  if (active != site.active) {
    site.active = active;
    active ? ++active_ : --active_;
  }
  if (active) {
    holders_.set(&site, ~site.held_places());
  } else {
    holders_.erase(&site);
  }
  const std::uint32_t places = site.sessions() + site.promised;
  const bool hungry = !site.down && !site.wanting.empty() && places < site.window.size();
  const bool proven = site.window.proven();
  if (hungry && proven) {
    hungry_.set(&site, {places, site.turn});
  } else {
    hungry_.erase(&site);
  }
  if (!hungry || proven) {
    unqueue(site);
  } else if (!site.Link<>::linked()) {
    queue(site, false);
  }
}

void Places::queue(Site& site, bool at_head) {
  List<Site>& list = site.failures > 0 ? again_ : fresh_;
  at_head ? list.push_front(site) : list.push_back(site);
  ++queued_;
}

void Places::unqueue(Site& site) {
  if (!site.Link<>::linked()) return;
  site.Link<>::unlink();
  --queued_;
}

void Places::forget(Site& site) {
  if (site.active) --active_;
  site.active = false;
  hungry_.erase(&site);
  holders_.erase(&site);
  unqueue(site);
}

void Places::opened(Session& session, Monotonic now) {
  ++total_;
  Site& site = *session.lane->site;
  site.turn = ++turns_;
  take_unproven(session, site);
  if (!session.unproven_place) return;
  fresh_served_ = session.again_place ? 0 : fresh_served_ + 1;
  patience_of(session).set(&session, now + first_patience * (1 << std::min(site.failures, most_doublings)));
}

void Places::take_unproven(Session& session, const Site& site) {
  session.unproven_place = !site.window.proven();
  session.again_place = session.unproven_place && site.failures > 0;
  if (session.unproven_place) ++unproven_places_;
  if (session.again_place) ++again_places_;
}

void Places::leave_unproven(Session& session) {
  patience_of(session).erase(&session);
  if (std::exchange(session.giving_up, false)) --giving_up_;
  if (std::exchange(session.unproven_place, false)) --unproven_places_;
  if (std::exchange(session.again_place, false)) --again_places_;
}

void Places::giving_up(Session& session) {
  patience_of(session).erase(&session);
  session.giving_up = true;
  ++giving_up_;
}

Session* Places::least_patience() const {
  if (again_patience_.empty()) return fresh_patience_.empty() ? nullptr : fresh_patience_.top();
  // The place of a new one is of no use to those that were tried in vain, if these have all they may have.
  if (fresh_patience_.empty() || (fresh_.empty() && !again_has_room())) return again_patience_.top();
  return fresh_patience_.top_key() <= again_patience_.top_key() ? fresh_patience_.top()
                                                                : again_patience_.top();
}

std::optional<Monotonic> Places::give_up_at() const {
  const bool wanted = !fresh_.empty() || again_has_room();
  const Session* least = least_patience();
  if (least == nullptr || queued_ <= giving_up_ || (wanted && room() && unproven_places_ < unproven_limit()))
    return std::nullopt;
  return least->again_place ? again_patience_.top_key() : fresh_patience_.top_key();
}

void Places::proven(Session& session) { leave_unproven(session); }

void Places::promise(Session& session, Site& to) {
  session.promised_to = &to;
  take_unproven(session, to);
  ++to.promised;
  update(to);
}

void Places::gone(Session& session) {
  --total_;
  leave_unproven(session);
  if (Site* heir = session.promised_to) {
    --heir->promised;
    update(*heir);
    // It has waited its time already.
    if (heir->Link<>::linked()) {
      unqueue(*heir);
      queue(*heir, true);
    }
  }
}

Site* Places::next() const {
  if (queued_ > 0 && unproven_places_ < unproven_limit()) {
    const bool again =
        !again_.empty() && again_has_room() && (fresh_.empty() || fresh_served_ >= fresh_for_again);
    if (again) return &again_.front();
    if (!fresh_.empty()) return &fresh_.front();
  }
  return hungry_.empty() ? nullptr : hungry_.top();
}

std::uint32_t Places::fair_share() const { return std::max(limit_ / std::max(active_, 1U), 1U); }

Monotonic Places::may_take_idle(Monotonic since) const {
  return lacks(*next()) && !anyone_has_more() ? since : since + turn;
}

Site* Places::to_give_way_to(const Session& session, Monotonic now) const {
  const Site& site = *session.lane->site;
  Site* other = next();
  if (room() || other == nullptr || other == &site) return nullptr;
  if (!lacks(*other)) return nullptr;
  if (site.held_places() > fair_share()) return other;
  return active_ > limit_ && now - session.opened >= turn ? other : nullptr;
}

} // namespace bulkmail::agent
