// Where domains meet: the Site, a set of mail hosts that limits hang on, and its Lanes, within which sessions
// may be shared.
#pragma once

#include "agent/queue/domain_queue.h"
#include "agent/queue/forecast.h"
#include "agent/queue/scheduler.h"
#include "agent/queue/window.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace bulkmail::agent {

struct Lane;
struct Site;
struct SourceAddress; // sources.h
struct SourceList;
struct SourcePool;
// Tags: a session is in its lane's list of idle ones, in its Site's, and in that of all idle ones; or in its lane's of those
// with room.
struct OfLane;
struct OfSite;
struct OfAll;
struct OfCramped; // a Site is in these lists beside any other
struct OfUnused;

struct Session : Link<OfLane>, Link<OfSite>, Link<OfAll> {
  Session(SessionId number, Lane& of, Monotonic now) : id(number), lane(&of), opened(now) {}

  SessionId id;
  Lane* lane;
  SourceAddress* source = nullptr; // that it is from; null: the system chose, or none fits
  enum class State : std::uint8_t { opening, busy, idle, closing } state = State::opening;
  Monotonic opened;
  Monotonic idle_since{};
  Site* promised_to = nullptr; // closing so that this one can open another
  bool unproven_place =
      false;                // it, or that which it makes room for, opens to a Site that has not answered yet
  bool again_place = false; // … and that was tried in vain before
  bool giving_up = false;   // was told to
  std::uint32_t patience_place = 0; // among those that open to Sites that have not answered yet
};

// Sessions may be shared only by mail that agrees in all of this. The hosts are a part of it: those of one Site may be many
// hosts that take each their own domains' mail, where a group joins them. So is DANE: what one domain's DNSSEC proves of a
// host is not proved for the mail of a domain without. So are the terms: one domain's policy, port or credentials never govern
// another's mail.
struct LaneKey {
  resolver::SiteKey site, hosts, dane, terms;
  const SourceList* sources = nullptr; // null: the system chooses

  bool operator==(const LaneKey&) const = default;
};

struct LaneKeyHash {
  std::size_t operator()(const LaneKey& key) const {
    return static_cast<std::size_t>(key.site.low ^ key.hosts.high ^ key.dane.low ^ key.terms.low);
  }
};

struct Lane : Link<> {
  explicit Lane(Site& of) : site(&of) {}

  Site* site;
  Ref<Lane> self;
  std::shared_ptr<const Way> way; // the last one that led here
  const LaneKey* key = nullptr;
  Ring<Parcel> turns;          // messages with something to be sent, or to be told of an outage
  Ring<Parcel> told;           // while the Site is down: those that were told of it
  List<Session, OfLane> idle;  // the last used at the back
  List<Session, OfLane> roomy; // busy ones that can take one more attempt, in turn

  [[nodiscard]] bool served() const { return !idle.empty() || !roomy.empty(); }

  List<Lane>* place = nullptr; // the list it is in
  std::uint32_t domains = 0;   // whose route leads here
  std::uint32_t sessions = 0;
  std::uint64_t weight = 0;   // of the messages in it, together
  bool working = false;       // had something in `turns` when last looked at
  SourcePool* pool = nullptr; // of the addresses to send from; null: the system chooses
  bool to_serve = false;      // has work that waits for no address's room, nor for its Site
  bool let_out = true;        // it need not wait for room in its pool, or not any more
  bool wants_another = false; // session: its idle ones are from addresses without room
};

struct Site : Link<>,
              Link<OfCramped>,
              Link<OfUnused> { // linked: it waits for a place and has not answered yet

  Site(resolver::SiteIdentity identity, std::uint32_t limit, std::uint16_t first_step)
      : key(identity.key),
        name(std::move(identity.name)),
        window(limit),
        step(first_step) {}

  resolver::SiteKey key;
  std::string name;               // for people: of its hosts, or its group's
  std::shared_ptr<const Way> way; // the last one that led here, for its hosts' names
  Window window;
  std::vector<Lane*> lanes;
  List<Lane> wanting;                  // lanes with work and no idle session
  List<Session, OfSite> idle_sessions; // the longest idle first
  std::uint64_t waiting = 0;           // recipients in its lanes
  std::uint32_t attempts = 0;          // under way, site_down answers included
  std::uint32_t working = 0;           // lanes with work
  Throughput throughput;               // of recipients that got an answer
  bool group = false;                  // its hosts are joined by an entry of the configuration
  bool held = false;
  bool mixed_domains = false; // a transaction may have recipients of several domains
  Meter meter;
  bool resting = false;         // until the meter lets the next transaction go
  std::uint32_t rest_place = 0; // among those that rest

  // Sessions, by state.
  std::uint32_t opening = 0, busy = 0, idle = 0, closing = 0;

  [[nodiscard]] std::uint32_t established() const { return busy + idle; }

  [[nodiscard]] std::uint32_t sessions() const { return opening + busy + idle + closing; }

  [[nodiscard]] std::uint32_t held_places() const { return opening + busy + idle; }

  // An outage: until `hold_until` whatever waits is told of it, once a step.
  bool down = false;
  std::uint16_t step;         // a number for each time it went down, never 0 while it is
  std::uint32_t failures = 0; // times in a row that it was tried in vain
  Monotonic hold_until{};
  std::shared_ptr<const spool::Outcome> last_outcome;
  std::uint32_t hold_place = 0; // among the sites that are down

  // Its part in the sharing of connections: see places.h.
  std::uint32_t promised = 0; // sessions of others that are being closed for it
  bool active = false;
  std::uint32_t hungry_place = 0, holder_place = 0;
  std::uint64_t turn = 0; // when it last took a place
};

} // namespace bulkmail::agent
