#include "agent/queue/sites.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace bulkmail::agent {

namespace {

// A session that ended before it could reach anyone had a local cause, such as no descriptor being left: the next one would
// end likewise. Those that are open go on.
constexpr std::chrono::seconds opening_rest{1};
// As long has a session of a group's lane its place, while other lanes have none and the Site may have no more.
constexpr std::chrono::seconds lane_turn{2};
// A group may have a host a customer.
constexpr std::size_t hosts_shown = 50;

} // namespace

Sites::Sites(const SchedulerConfig& config, Slab<Parcel>& parcels, Dice& dice)
    : per_site_(config.connections_per_site),
      mixed_domains_(config.mixed_domains),
      rules_(config.sites),
      idle_(config.idle),
      schedule_(config.schedule),
      parcels_(parcels),
      dice_(dice),
      places_(config.connections) {
  set_sources(config.sources, {});
}

void Sites::set_sources(std::span<const SourceRule> rules, Monotonic now) {
  sources_.set_rules(rules, now);
  all_sources_.clear();
  for (const SourceRule& rule : rules) all_sources_.push_back(rule.address);
}

void Sites::set_config(const SchedulerConfig& config, Monotonic now) {
  per_site_ = config.connections_per_site;
  mixed_domains_ = config.mixed_domains;
  idle_ = config.idle;
  schedule_ = config.schedule;
  places_.set_limit(config.connections);
  rules_ = config.sites;
  set_sources(config.sources, now);
  for (auto& [key, site] : sites_) apply_rules(site, now);
}

void Sites::apply_rules(Site& site, Monotonic now) {
  const SiteRule* rule = rules_.site(*site.way);
  site.window.set_limit(rule != nullptr ? rule->connections.value_or(per_site_) : per_site_);
  site.mixed_domains = rule != nullptr ? rule->mixed_domains.value_or(mixed_domains_) : mixed_domains_;
  site.meter.set(rule, now);
  rest(site, now);
  settle(site);
}

bool Sites::may_mix(const Site& site, Monotonic now) {
  if (!site.mixed_domains) return false;
  refusing_mixed_.forget_old(now);
  return !refusing_mixed_.has(site.key);
}

void Sites::mixing_refused(const Site& site, Monotonic now) { refusing_mixed_.add(site.key, now); }

std::uint32_t Sites::most(const Session& session, Monotonic now) const {
  const std::uint32_t most = session.lane->site->meter.most();
  return session.source == nullptr ? most : std::min(most, Sources::most(*session.source, now));
}

void Sites::spend(Session& session, std::uint32_t recipients, Monotonic now) {
  Lane& lane = *session.lane;
  if (session.source != nullptr) {
    sources_.spend(*session.source, recipients, now);
    if (!lane.pool->has_room()) lane.let_out = false; // behind the others that wait
    refresh(lane);
  }
  Site& site = *lane.site;
  if (!site.meter.limits()) return;
  site.meter.take(recipients, now);
  rest(site, now);
}

// Nothing is polled: it stands in a heap until its time, and is in no other list.
void Sites::rest(Site& site, Monotonic now) {
  const Monotonic next = site.meter.next(now);
  const bool rested = std::exchange(site.resting, next > now);
  if (site.resting) {
    rests_.set(&site, next);
  } else {
    rests_.erase(&site);
  }
  if (rested != site.resting) refresh(site);
}

Lane& Sites::join(std::string_view domain, const std::shared_ptr<const Way>& way, Monotonic now) {
  auto identity = rules_.identity(*way);
  SourceList* sources = nullptr;
  if (!way->terms->local()) { // else there is no address to send from
    const auto own_sources = rules_.sources(domain, *way);
    sources = sources_.list(own_sources.empty() ? all_sources_ : own_sources);
  }
  const LaneKey key{identity.key, way->site_key, way->dane_key, way->terms->key, sources};
  const bool group = key.site != key.hosts;
  auto known = sites_.find(key.site);
  if (known == sites_.end()) {
    // Steps of different Sites hardly ever have the same number: mail that moves was not told by its new one.
    const auto step = static_cast<std::uint16_t>(dice_.below(0xffff));
    known = sites_.try_emplace(key.site, std::move(identity), per_site_, step).first;
  }
  Site& site = known->second;
  site.group = group;
  const auto [at, new_lane] = lanes_by_key_.try_emplace(key);
  if (new_lane) {
    at->second = lanes_.make(site);
    Lane& lane = lanes_[at->second];
    lane.self = at->second;
    lane.key = &at->first;
    site.lanes.push_back(&lane);
  }
  Lane& lane = lanes_[at->second];
  const bool new_site = site.way == nullptr;
  site.way = lane.way = way;
  if (new_site) apply_rules(site, now);
  ++lane.domains;
  if (sources != nullptr) {
    SourcePool* left = std::exchange(lane.pool, &Sources::pool(*sources, *way));
    refresh(lane);
    if (left != nullptr) sources_.update(*left);
  }
  refresh(lane); // it may have been about to be forgotten
  return lane;
}

void Sites::leave(Lane& lane) {
  --lane.domains;
  refresh(lane);
}

void Sites::count(Site& site, std::uint64_t more, std::uint64_t less) {
  site.waiting += more - less;
  total(site) += more - less;
}

void Sites::set_state(Site& site, bool held, bool down) {
  total(site) -= site.waiting;
  site.held = held;
  site.down = down;
  total(site) += site.waiting;
}

void Sites::hold(Site& site, bool held) {
  if (held == site.held) return;
  set_state(site, held, site.down);
  refresh(site);
}

void Sites::refresh(Lane& lane) {
  Site& site = *lane.site;
  const bool working = !lane.turns.empty();
  if (working != lane.working) {
    lane.working = working;
    working ? ++site.working : --site.working;
  }
  if (!working) {
    lane.let_out = lane.pool == nullptr;
  } else if (!lane.let_out) {
    lane.let_out = lane.pool->has_room() && lane.pool->waiting.empty();
  }
  List<Lane>* place = nullptr;
  if (working && !site.held) {
    place = site.down                              ? &down_
            : site.resting                         ? nullptr
            : !lane.let_out                        ? &lane.pool->waiting
            : !lane.served() || lane.wants_another ? &site.wanting
                                                   : &servable_;
  } else if (!working && lane.domains == 0 && lane.sessions == 0 && lane.told.empty()) {
    place = &unused_;
  }
  if (place != lane.place) {
    lane.unlink();
    if (place != nullptr) place->push_back(lane);
    lane.place = place;
    if (lane.pool != nullptr) sources_.update(*lane.pool);
  }
  count_to_serve(lane);
  settle(site);
}

void Sites::count_to_serve(Lane& lane) {
  const bool waits = lane.pool != nullptr && lane.place == &lane.pool->waiting;
  const bool to_serve = lane.working && !lane.site->held && !lane.site->down && !waits;
  if (std::exchange(lane.to_serve, to_serve) != to_serve) to_serve ? ++to_serve_ : --to_serve_;
}

// After a change that is the Site's and not only a lane's.
void Sites::settle(Site& site) {
  places_.update(site);
  // Lanes of a group share the Site's window: one waits while sessions of others stand idle.
  const bool cramped = !site.wanting.empty() && !site.idle_sessions.empty() && !site.held && !site.down &&
                       !site.resting && site.held_places() >= site.window.size();
  enlist<OfCramped>(site, cramped_, cramped);
  enlist<OfUnused>(site, unused_sites_,
                   site.lanes.empty() && site.attempts == 0 && site.promised == 0 && !site.down &&
                       !site.resting);
}

void Sites::leave_idle(Session& session) {
  session.Link<OfLane>::unlink();
  session.Link<OfSite>::unlink();
  session.Link<OfAll>::unlink();
}

void Sites::refresh(Site& site) {
  for (Lane* lane : site.lanes) refresh(*lane);
  settle(site);
}

void Sites::sweep() {
  while (Lane* lane = unused_.first()) {
    Site& site = *lane->site;
    lane->unlink();
    std::erase(site.lanes, lane);
    lanes_by_key_.erase(lanes_by_key_.find(*lane->key));
    lanes_.release(lane->self);
    settle(site);
  }
  while (Site* site = unused_sites_.first()) {
    places_.forget(*site);
    site->Link<OfUnused>::unlink();
    site->Link<OfCramped>::unlink();
    sites_.erase(sites_.find(site->key));
  }
}

void Sites::end_attempt(Site& site) {
  --site.attempts;
  settle(site);
}

Session* Sites::find(SessionId id) {
  const auto at = sessions_.find(id);
  return at == sessions_.end() ? nullptr : &at->second;
}

Session& Sites::open(Lane& lane, Monotonic now) {
  const SessionId id = ++last_session_;
  Session& session = sessions_.try_emplace(id, id, lane, now).first->second;
  if (lane.pool != nullptr) session.source = Sources::choose(*lane.pool);
  lane.wants_another = false;
  ++lane.sessions;
  ++lane.site->opening;
  if (lane.place == &lane.site->wanting) { // its Site's other lanes have their turns
    lane.unlink();
    lane.place->push_back(lane);
  }
  places_.opened(session, now);
  refresh(lane);
  return session;
}

void Sites::established(Session& session, Monotonic now) {
  if (session.state != Session::State::opening) return;
  Site& site = *session.lane->site;
  session.state = Session::State::busy;
  --site.opening;
  ++site.busy;
  site.failures = 0;
  site.window.established(site.established(), now);
  places_.proven(session);
  end_hold(site);
}

void Sites::has_room(Session& session) {
  if (session.state != Session::State::busy || session.Link<OfLane>::linked()) return;
  session.lane->roomy.push_back(session);
  session.lane->wants_another = false;
  refresh(*session.lane);
}

void Sites::no_room(Session& session) {
  session.Link<OfLane>::unlink();
  refresh(*session.lane);
}

void Sites::start(Session& session) {
  if (session.state == Session::State::busy) return no_room(session);
  Site& site = *session.lane->site;
  leave_idle(session);
  session.state = Session::State::busy;
  --site.idle;
  --idle_count_;
  ++site.busy;
  refresh(*session.lane);
}

void Sites::answered(Session& session, const Pace& pace, Monotonic now) {
  Site& site = *session.lane->site;
  if (pace.pushed_back) {
    site.window.pushed_back(now);
  } else {
    site.window.completed(pace.end_of_data, site.held_places(), now);
  }
  refresh(*session.lane);
}

void Sites::free(Session& session, Monotonic now) {
  established(session, now); // whoever is free has been
  if (session.state != Session::State::busy) return;
  Site& site = *session.lane->site;
  session.Link<OfLane>::unlink(); // it may have had room before
  session.state = Session::State::idle;
  session.idle_since = now;
  session.lane->idle.push_back(session);
  session.lane->wants_another = false;
  site.idle_sessions.push_back(session);
  idle_sessions_.push_back(session);
  --site.busy;
  ++site.idle;
  ++idle_count_;
  refresh(*session.lane);
}

void Sites::close(Session& session, Site* for_other) {
  Site& site = *session.lane->site;
  leave_idle(session);
  session.state = Session::State::closing;
  --site.idle;
  --idle_count_;
  ++site.closing;
  ++closing_count_;
  if (for_other != nullptr) places_.promise(session, *for_other);
  refresh(*session.lane);
}

void Sites::give_up(Session& session) { places_.giving_up(session); }

void Sites::gone(Session& session, Gone how, std::shared_ptr<const spool::Outcome> outcome, Monotonic now) {
  Lane& lane = *session.lane;
  Site& site = *lane.site;
  const bool was_closing = session.state == Session::State::closing;
  const bool alone = site.lanes.size() == 1 && site.established() == 0;
  const bool refused = how == Gone::refused || (how == Gone::insecure && alone);
  if (how == Gone::closed && session.state == Session::State::opening) no_opening_until_ = now + opening_rest;
  leave_idle(session);
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
      site.window.refused(site.held_places(), now);
    } else {
      go_down(site, now);
    }
  }
  sessions_.erase(sessions_.find(session.id));
  refresh(lane);
  if (heir != nullptr) settle(*heir);
}

void Sites::go_down(Site& site, Monotonic now) {
  if (site.down) return;
  site.window.outage();
  set_state(site, site.held, true);
  if (++site.step == 0) ++site.step;
  ++site.failures;
  site.hold_until = now + schedule_.delay(site.failures, dice_);
  holds_.set(&site, site.hold_until);
  refresh(site);
}

void Sites::end_hold(Site& site) {
  if (!site.down) return;
  set_state(site, site.held, false);
  holds_.erase(&site);
  for (Lane* lane : site.lanes) lane->turns.append(parcels_, lane->told);
  refresh(site);
}

void Sites::end_holds(Monotonic now) {
  if (no_opening_until_ && *no_opening_until_ <= now) no_opening_until_.reset();
  while (!holds_.empty() && holds_.top_key() <= now) end_hold(*holds_.top());
  while (!rests_.empty() && rests_.top_key() <= now) rest(*rests_.top(), now);
  while (sources_.rested(now) != nullptr) let_out();
}

void Sites::end_all_holds() {
  while (!holds_.empty()) end_hold(*holds_.top());
}

Lane* Sites::to_open() const {
  if (!places_.room() || no_opening_until_) return nullptr;
  Site* site = places_.next();
  return site == nullptr ? nullptr : &site->wanting.front();
}

Session* Sites::usable_session(Lane& lane) {
  const auto usable = [](const Session& session) {
    return session.source == nullptr || session.source->has_room;
  };
  // The last used, so that those too many grow idle; then those with room, in turn.
  for (Session* session = lane.idle.empty() ? nullptr : &lane.idle.back(); session != nullptr;
       session = lane.idle.before(*session))
    if (usable(*session)) return session;
  for (Session* session = lane.roomy.first(); session != nullptr; session = lane.roomy.after(*session))
    if (usable(*session)) return session;
  if (lane.pool->has_room()) {
    lane.wants_another = true;
    refresh(lane);
  } else {
    wait_for_room(lane);
  }
  return nullptr;
}

bool Sites::may_open(Lane& lane) {
  if (lane.pool == nullptr || lane.pool->has_room()) return true;
  wait_for_room(lane);
  return false;
}

// It was let out, but another took the room: it keeps its turn.
void Sites::wait_for_room(Lane& lane) {
  lane.let_out = false;
  lane.unlink();
  lane.pool->waiting.push_front(lane);
  lane.place = &lane.pool->waiting;
  count_to_serve(lane);
  sources_.update(*lane.pool);
  settle(*lane.site);
}

bool Sites::let_out() {
  SourcePool* pool = sources_.ready();
  if (pool == nullptr) return false;
  Lane& lane = pool->waiting.front();
  lane.let_out = true;
  refresh(lane);
  sources_.had_its_turn(*pool);
  return true;
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

std::optional<Monotonic> Sites::give_up_at() const {
  if (no_opening_until_) return std::nullopt;
  return places_.give_up_at();
}

Session* Sites::to_give_up(Monotonic now) const {
  const auto at = give_up_at();
  return at && *at <= now ? places_.least_patience() : nullptr;
}

bool Sites::too_many(const Session& session) const {
  const Site& site = *session.lane->site;
  return site.held_places() > site.window.size() || places_.overfull(closing_count_);
}

Session* Sites::in_the_way() const {
  return cramped_.empty() ? nullptr : &cramped_.front().idle_sessions.front();
}

bool Sites::must_make_way(const Session& session, Monotonic now) const {
  const Site& site = *session.lane->site;
  return !site.wanting.empty() && site.held_places() >= site.window.size() &&
         now - session.opened >= lane_turn;
}

std::optional<Monotonic> Sites::wake_at() const {
  std::optional<Monotonic> at = no_opening_until_;
  const auto consider = [&](Monotonic other) { at = std::min(at.value_or(other), other); };
  if (!idle_sessions_.empty()) consider(idle_sessions_.front().idle_since + idle_);
  if (!holds_.empty()) consider(holds_.top_key());
  if (!rests_.empty()) consider(rests_.top_key());
  if (const auto room = sources_.wake_at()) consider(*room);
  return at;
}

std::vector<Scheduler::SiteView> Sites::views() const {
  std::vector<Scheduler::SiteView> views;
  views.reserve(sites_.size());
  for (const auto& [key, site] : sites_) {
    Scheduler::SiteView& view = views.emplace_back();
    view.site = site.name;
    const auto show = [&](const resolver::Route& route) {
      for (const auto& host : route.hosts) {
        if (view.hosts.size() < hosts_shown && std::ranges::find(view.hosts, host.name) == view.hosts.end())
          view.hosts.push_back(host.name);
      }
      return view.hosts.size() < hosts_shown;
    };
    show(*site.way);
    for (const Lane* lane : site.lanes)
      if (!show(*lane->way)) break;
    view.recipients = site.waiting;
    view.sessions = site.sessions();
    view.window = site.window.size();
    view.held = site.held;
    if (site.down) view.next_attempt = site.hold_until;
    if (site.last_outcome) view.last_reply = site.last_outcome->diagnostic_code;
  }
  return views;
}

} // namespace bulkmail::agent
