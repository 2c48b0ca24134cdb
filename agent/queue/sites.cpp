#include "agent/queue/sites.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace bulkmail::agent {

namespace {

// A Site that is down is left alone for so long at least, whatever is due.
constexpr std::chrono::seconds shortest_hold{1};

// A session that ended before it could reach anyone had a local cause, such as no descriptor being left: the next one would
// end likewise. Those that are open go on.
constexpr std::chrono::seconds opening_rest{1};

} // namespace

Sites::Sites(const SchedulerConfig& config)
    : per_site_(config.connections_per_site),
      idle_(config.idle),
      places_(config.connections) {}

void Sites::set_config(const SchedulerConfig& config) {
  per_site_ = config.connections_per_site;
  idle_ = config.idle;
  places_.set_limit(config.connections);
  for (auto& [name, site] : sites_) {
    site.window.set_limit(per_site_);
    places_.update(site);
  }
}

Lane& Sites::join(const std::shared_ptr<const resolver::Route>& route) {
  Site& site = sites_.try_emplace(route->site, route->site, per_site_).first->second;
  const auto [at, new_lane] = lanes_.try_emplace(LaneKey{route->site}, site);
  Lane& lane = at->second;
  if (new_lane) {
    lane.key = &at->first;
    site.lanes.push_back(&lane);
  }
  site.route = route;
  ++lane.domains;
  return lane;
}

void Sites::leave(Lane& lane) {
  --lane.domains;
  refresh(lane);
}

void Sites::refresh(Lane& lane) {
  Site& site = *lane.site;
  const bool working = !lane.turns.empty();
  if (working != lane.working) {
    lane.working = working;
    working ? ++site.working : --site.working;
  }
  List<Lane>* place = nullptr;
  if (working) {
    place = site.down ? &down_ : lane.idle.empty() ? &site.wanting : &servable_;
  } else if (lane.domains == 0 && lane.sessions == 0 && site.attempts == 0 && site.promised == 0 &&
             !site.down) {
    place = &unused_;
  }
  if (place != lane.place) {
    lane.unlink();
    if (place != nullptr) place->push_back(lane);
    lane.place = place;
  }
  places_.update(site);
}

void Sites::refresh(Site& site) {
  for (Lane* lane : site.lanes) refresh(*lane);
}

void Sites::sweep() {
  while (Lane* lane = unused_.first()) {
    Site& site = *lane->site;
    lane->unlink();
    std::erase(site.lanes, lane);
    lanes_.erase(lanes_.find(*lane->key));
    if (!site.lanes.empty()) continue;
    places_.forget(site);
    sites_.erase(sites_.find(site.name));
  }
}

void Sites::end_attempt(Site& site, std::optional<Monotonic> due_again) {
  --site.attempts;
  if (site.down && due_again) {
    hold(site, *due_again);
    holds_.set(site, site.hold_until);
  }
  refresh(site);
}

Session* Sites::find(SessionId id) {
  const auto at = sessions_.find(id);
  return at == sessions_.end() ? nullptr : &at->second;
}

Session& Sites::open(Lane& lane, Monotonic now) {
  const SessionId id = ++last_session_;
  Session& session = sessions_.try_emplace(id, id, lane, now).first->second;
  ++lane.sessions;
  ++lane.site->opening;
  places_.opened(session);
  refresh(lane);
  return session;
}

void Sites::established(Session& session, Monotonic now) {
  if (session.state != Session::State::opening) return;
  Site& site = *session.lane->site;
  session.state = Session::State::busy;
  --site.opening;
  ++site.busy;
  site.window.established(site.established(), now);
  places_.proven(session);
  end_hold(site);
}

void Sites::start(Session& session) {
  Site& site = *session.lane->site;
  session.Link<OfLane>::unlink();
  session.Link<OfAll>::unlink();
  session.state = Session::State::busy;
  session.answered = false;
  session.retry_at.reset();
  --site.idle;
  --idle_count_;
  ++site.busy;
  refresh(*session.lane);
}

void Sites::free(Session& session, Monotonic now) {
  established(session, now); // whoever is free has been
  if (session.state != Session::State::busy) return;
  Site& site = *session.lane->site;
  site.window.completed(std::nullopt, site.held(), now);
  session.state = Session::State::idle;
  session.idle_since = now;
  session.lane->idle.push_back(session);
  idle_sessions_.push_back(session);
  --site.busy;
  ++site.idle;
  ++idle_count_;
  refresh(*session.lane);
}

void Sites::close(Session& session, Site* for_other) {
  Site& site = *session.lane->site;
  session.Link<OfLane>::unlink();
  session.Link<OfAll>::unlink();
  session.state = Session::State::closing;
  --site.idle;
  --idle_count_;
  ++site.closing;
  ++closing_count_;
  if (for_other != nullptr) places_.promise(session, *for_other);
  refresh(*session.lane);
}

void Sites::gone(Session& session, bool refused, std::shared_ptr<const spool::Outcome> outcome,
                 Monotonic now) {
  Lane& lane = *session.lane;
  Site& site = *lane.site;
  const bool was_closing = session.state == Session::State::closing;
  if (!refused && session.state == Session::State::opening) no_opening_until_ = now + opening_rest;
  session.Link<OfLane>::unlink();
  session.Link<OfAll>::unlink();
  switch (session.state) {
  case Session::State::opening: --site.opening; break;
  case Session::State::busy: --site.busy; break;
  case Session::State::idle:
    --site.idle;
    --idle_count_;
    break;
  case Session::State::closing:
    --site.closing;
    --closing_count_;
    break;
  }
  --lane.sessions;
  Site* heir = session.promised_to;
  places_.gone(session);
  if (refused && !was_closing) {
    site.last_outcome = std::move(outcome);
    if (site.established() > 0) {
      site.window.refused(site.held(), now);
    } else {
      go_down(site, session.retry_at, now);
    }
  } else if (!refused && session.answered) {
    site.window.completed(std::nullopt, site.held() + 1, now); // a peer that takes one transaction a session
  }
  sessions_.erase(sessions_.find(session.id));
  refresh(site);
  if (heir != nullptr) refresh(*heir);
}

void Sites::go_down(Site& site, std::optional<Monotonic> due_again, Monotonic now) {
  site.window.outage();
  if (!site.down) {
    site.down = true;
    site.hold_known = false;
    site.down_since = now;
    site.hold_until = now + shortest_hold;
  }
  if (due_again) hold(site, *due_again);
  holds_.set(site, site.hold_until);
}

// The Site is tried again when the first of what it failed is due again.
void Sites::hold(Site& site, Monotonic due_again) {
  const Monotonic until = std::max(due_again, site.down_since + shortest_hold);
  site.hold_until = site.hold_known ? std::min(site.hold_until, until) : until;
  site.hold_known = true;
}

void Sites::end_hold(Site& site) {
  site.down = false;
  holds_.erase(site);
  refresh(site);
}

void Sites::end_holds(Monotonic now) {
  if (no_opening_until_ && *no_opening_until_ <= now) no_opening_until_.reset();
  while (!holds_.empty() && holds_.top_key() <= now) end_hold(holds_.top());
}

void Sites::end_all_holds() {
  while (!holds_.empty()) end_hold(holds_.top());
}

Lane* Sites::to_open() const {
  if (!places_.room() || no_opening_until_) return nullptr;
  Site* site = places_.next();
  return site == nullptr ? nullptr : &site->wanting.front();
}

Session* Sites::too_idle(Monotonic now) const {
  if (idle_sessions_.empty()) return nullptr;
  Session& longest = idle_sessions_.front();
  return longest.idle_since + idle_ <= now || places_.overfull(closing_count_) ? &longest : nullptr;
}

std::optional<Monotonic> Sites::yield_at() const {
  if (places_.room() || places_.next() == nullptr || no_opening_until_ || idle_sessions_.empty())
    return std::nullopt;
  return places_.may_take_idle(idle_sessions_.front().idle_since);
}

Session* Sites::to_yield(Monotonic now) const {
  const auto at = yield_at();
  return at && *at <= now ? &idle_sessions_.front() : nullptr;
}

bool Sites::too_many(const Session& session) const {
  const Site& site = *session.lane->site;
  return site.held() > site.window.size() || places_.overfull(closing_count_);
}

std::optional<Monotonic> Sites::wake_at() const {
  std::optional<Monotonic> at = no_opening_until_;
  const auto consider = [&](Monotonic other) { at = std::min(at.value_or(other), other); };
  if (!idle_sessions_.empty()) consider(idle_sessions_.front().idle_since + idle_);
  if (!holds_.empty()) consider(holds_.top_key());
  return at;
}

std::vector<Scheduler::SiteView> Sites::views() const {
  std::vector<Scheduler::SiteView> views;
  views.reserve(sites_.size());
  for (const auto& [name, site] : sites_) {
    Scheduler::SiteView& view = views.emplace_back();
    view.site = name;
    for (const auto& host : site.route->hosts) view.hosts.push_back(host.name);
    view.recipients = site.waiting;
    view.sessions = site.sessions();
    view.window = site.window.size();
    if (site.down) view.next_attempt = site.hold_until;
    if (site.last_outcome) view.last_reply = site.last_outcome->diagnostic_code;
  }
  return views;
}

} // namespace bulkmail::agent
