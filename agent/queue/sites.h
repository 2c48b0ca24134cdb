// All Sites, their Lanes and their sessions: which may take work, which must close, and which wait for an
// outage to pass.
#pragma once

#include "agent/queue/gone.h"
#include "agent/queue/host_health.h"
#include "agent/queue/places.h"
#include "agent/queue/retry.h"
#include "agent/queue/site.h"
#include "agent/queue/sources.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace bulkmail::agent {

class Sites {
 public:
  Sites(const SchedulerConfig& config, Slab<Parcel>& parcels, Dice& dice);
  void set_config(const SchedulerConfig& config, Monotonic now);

  // A domain joins the lane that its way leads to, as the rules are now, or leaves it.
  Lane& join(std::string_view domain, const std::shared_ptr<const Way>& way, Monotonic now);
  void leave(Lane& lane);

  [[nodiscard]] Lane& lane(Ref<Lane> ref) { return lanes_[ref]; }

  // Recipients join or leave its lanes.
  void count(Site& site, std::uint64_t more, std::uint64_t less);
  // After a lane's queue changed: where it now waits.
  void refresh(Lane& lane);
  // Lanes and Sites that nothing needs any more stay until this is called, so that nobody holds a dead one.
  void sweep();

  // An attempt, or a site_down answer, begins and ends.
  void begin_attempt(Site& site) { ++site.attempts; }

  void end_attempt(Site& site);

  // A transaction with so many recipients goes: the Site rests until its rates let the next one go, the address that it
  // goes from until its warm-up does.
  void spend(Session& session, std::uint32_t recipients, Monotonic now);
  // The most recipients that it may have.
  [[nodiscard]] std::uint32_t most(const Session& session, Monotonic now) const;

  // Whether a transaction may have recipients of several domains. A Site that refused that once is not asked for a day.
  [[nodiscard]] bool may_mix(const Site& site, Monotonic now);
  void mixing_refused(const Site& site, Monotonic now);

  // Sessions.
  [[nodiscard]] Session* find(SessionId id);
  Session& open(Lane& lane, Monotonic now);
  void established(Session& session, Monotonic now);
  void has_room(Session& session); // a busy one, for more
  void no_room(Session& session);  // it is to become free first
  void start(Session& session);    // an idle one, or one with room, takes work
  void answered(Session& session, const Pace& pace, Monotonic now); // a transaction of it was
  void free(Session& session, Monotonic now);
  void close(Session& session, Site* for_other); // asked to quit
  void give_up(Session& session);                // asked to end its opening
  void gone(Session& session, Gone how, std::shared_ptr<const spool::Outcome> outcome, Monotonic now);
  // Nobody answers there: it is tried again at `hold_until`. No change if it is down already.
  void go_down(Site& site, Monotonic now);

  // Where work can be had now; null: nowhere.
  [[nodiscard]] Lane* servable() const { return servable_.first(); } // has work and a session for it

  [[nodiscard]] Lane* to_open() const; // may open another session

  // Of such a lane: its idle session to use, the last used so that those too many grow idle; and whether it can open one.
  // Null, and false: the addresses to send from have no room; it waits elsewhere now.
  [[nodiscard]] Session* usable_session(Lane& lane);
  [[nodiscard]] bool may_open(Lane& lane);
  // A lane that waited for room stands with the others now. False: there was none to let out.
  bool let_out();

  [[nodiscard]] Sources& sources() { return sources_; }

  [[nodiscard]] Lane* down() const { return down_.first(); } // work to be told of an outage

  [[nodiscard]] bool anything_to_do(Monotonic now) const {
    return servable() != nullptr || down() != nullptr || to_open() != nullptr || to_yield(now) != nullptr ||
           sources_.ready() != nullptr || to_give_up(now) != nullptr || in_the_way() != nullptr;
  }

  [[nodiscard]] std::optional<Monotonic> no_opening_until() const { return no_opening_until_; }

  // A session to close because it was idle for too long, or there are more than may be.
  [[nodiscard]] Session* too_idle(Monotonic now) const;
  // A session to close so that `Places::next` can open one, and when there will be one; none: not as things are.
  [[nodiscard]] Session* to_yield(Monotonic now) const;
  [[nodiscard]] std::optional<Monotonic> yield_at() const;
  // A session whose opening is to end, as its place is needed; and when there will be one.
  [[nodiscard]] Session* to_give_up(Monotonic now) const;
  [[nodiscard]] std::optional<Monotonic> give_up_at() const;
  [[nodiscard]] bool too_many(const Session& session) const;
  // A session to close, as another lane of its Site needs it more: an idle one, and whether one that would go on is.
  [[nodiscard]] Session* in_the_way() const;
  [[nodiscard]] bool must_make_way(const Session& session, Monotonic now) const;

  [[nodiscard]] const Places& places() const { return places_; }

  void end_holds(Monotonic now); // those whose time has come
  void end_hold(Site& site);
  void end_all_holds();
  void hold(Site& site, bool held); // by hand: nothing is sent there, nor told

  [[nodiscard]] std::optional<Monotonic> wake_at() const; // idle deadlines, holds and the like

  [[nodiscard]] std::uint32_t idle() const { return idle_count_; }

  [[nodiscard]] std::uint32_t closing() const { return closing_count_; }

  // Recipients in lanes: of Sites that are up, that are down, and that are held.
  [[nodiscard]] std::uint64_t ready() const { return ready_; }

  // Lanes with some of these that does not wait for the room of an address.
  [[nodiscard]] std::uint32_t to_serve() const { return to_serve_; }

  [[nodiscard]] std::uint64_t put_off() const { return put_off_; }

  [[nodiscard]] std::uint64_t held() const { return held_; }

  [[nodiscard]] std::vector<Scheduler::SiteView> views() const;

  template <class Visit>
  void each(Visit visit) {
    for (auto& [key, site] : sites_) visit(site);
  }

 private:
  void refresh(Site& site);
  void settle(Site& site);

  template <class Tag>
  static void enlist(Site& site, List<Site, Tag>& list, bool in) {
    auto& link = static_cast<Link<Tag>&>(site);
    if (in == link.linked()) return;
    in ? list.push_back(site) : link.unlink();
  }

  static void leave_idle(Session& session);

  [[nodiscard]] std::uint64_t& total(const Site& site) {
    return site.held ? held_ : site.down ? put_off_ : ready_;
  }

  void set_state(Site& site, bool held, bool down);
  void apply_rules(Site& site, Monotonic now);
  void set_sources(std::span<const SourceRule> rules, Monotonic now);
  void rest(Site& site, Monotonic now);
  void wait_for_room(Lane& lane);
  void count_to_serve(Lane& lane);
  static constexpr std::size_t most_refusing = 10'000; // remembered, of some hundred bytes each

  std::uint32_t per_site_;
  bool mixed_domains_;
  SiteRules rules_;
  milliseconds idle_;
  RetrySchedule schedule_;
  Slab<Parcel>& parcels_;
  Dice& dice_;
  Places places_;
  Sources sources_;
  std::vector<resolver::IpAddress> all_sources_;
  std::unordered_map<resolver::SiteKey, Site, resolver::SiteKeyHash> sites_;
  Slab<Lane, true> lanes_;
  std::unordered_map<LaneKey, Ref<Lane>, LaneKeyHash> lanes_by_key_;
  std::unordered_map<SessionId, Session> sessions_;
  SessionId last_session_ = 0;
  std::optional<Monotonic> no_opening_until_;
  List<Lane> servable_, down_, unused_;
  List<Site, OfUnused> unused_sites_;  // without lanes, attempts or promises
  List<Site, OfCramped> cramped_;      // with a lane that waits for a session, and idle sessions in the way
  List<Session, OfAll> idle_sessions_; // the longest idle first
  std::uint32_t idle_count_ = 0, closing_count_ = 0, to_serve_ = 0;
  Memory<resolver::SiteKey> refusing_mixed_{std::chrono::hours{24}, most_refusing};
  std::uint64_t ready_ = 0, put_off_ = 0, held_ = 0; // recipients
  Heap<Site, Monotonic, &Site::hold_place> holds_;
  Heap<Site, Monotonic, &Site::rest_place> rests_;
};

} // namespace bulkmail::agent
