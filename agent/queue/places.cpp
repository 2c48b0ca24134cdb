#include "agent/queue/places.h"

#include <algorithm>
#include <chrono>

namespace bulkmail::agent {

namespace {

// How long a session may keep its place while Sites without any wait: long enough to be worth its set-up of
// some round trips, short enough that ten Sites for each place wait for less than half a minute.
constexpr std::chrono::seconds turn{2};

} // namespace

void Places::set_limit(std::uint32_t limit) { limit_ = std::max(limit, 1U); }

void Places::update(Site& site) {
  const bool active = !site.down && (site.working > 0 || site.opening + site.busy > 0);
  if (active != site.active) {
    site.active = active;
    active ? ++active_ : --active_;
  }
  if (active) {
    holders_.set(site, ~site.held());
  } else {
    holders_.erase(site);
  }
  const std::uint32_t places = site.sessions() + site.promised;
  const bool hungry = !site.down && !site.wanting.empty() && places < site.window.size();
  const bool proven = site.window.proven();
  if (hungry && proven) {
    hungry_.set(site, {places, site.turn});
  } else {
    hungry_.erase(site);
  }
  if (!hungry || proven) {
    site.unlink();
  } else if (!site.linked()) {
    unproven_.push_back(site);
  }
}

void Places::forget(Site& site) {
  if (site.active) --active_;
  site.active = false;
  hungry_.erase(site);
  holders_.erase(site);
  site.unlink();
}

void Places::opened(Session& session) {
  ++total_;
  Site& site = *session.lane->site;
  site.turn = ++turns_;
  session.unproven_place = !site.window.proven();
  if (session.unproven_place) ++unproven_places_;
}

void Places::proven(Session& session) {
  if (session.unproven_place) --unproven_places_;
  session.unproven_place = false;
}

void Places::promise(Session& session, Site& to) {
  session.promised_to = &to;
  session.unproven_place = !to.window.proven();
  if (session.unproven_place) ++unproven_places_;
  ++to.promised;
  update(to);
}

void Places::gone(Session& session) {
  --total_;
  if (session.unproven_place) --unproven_places_;
  if (Site* heir = session.promised_to) {
    --heir->promised;
    update(*heir);
    // It has waited its time already.
    if (heir->linked()) {
      heir->unlink();
      unproven_.push_front(*heir);
    }
  }
}

Site* Places::next() const {
  if (!unproven_.empty() && unproven_places_ < std::max(limit_ / 2, 1U)) return &unproven_.front();
  return hungry_.empty() ? nullptr : &hungry_.top();
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
  if (site.held() > fair_share()) return other;
  return active_ > limit_ && now - session.opened >= turn ? other : nullptr;
}

} // namespace bulkmail::agent
