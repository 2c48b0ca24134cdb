// One recipient domain: its route, and the shares that wait for what the domain lacks. A share that lacks nothing stands in
// a Parcel in the Lane that the route leads to, and does not wait here.
//
// When a share's turn comes in its lane and the domain has changed meanwhile, then the share moves: a domain itself
// never does, so that nothing that happens to a domain takes longer because much is queued for it.
#pragma once

#include "agent/queue/intrusive_list.h"
#include "agent/queue/mail.h"
#include "agent/queue/meter.h"
#include "agent/queue/way.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace bulkmail::agent {

struct Lane;
struct OfQuestions; // tag: a domain whose route is to be asked for is in that list beside any other

struct DomainQueue : Link<>, Link<OfQuestions> {
  explicit DomainQueue(std::string canonical) : name(std::move(canonical)) {}

  std::string name;
  Ref<DomainQueue> self;
  std::uint32_t hash = 0;
  enum class Question : std::uint8_t { none, wanted, asking } question = Question::none;
  enum class Wait : std::uint8_t {
    nothing, // no share waits here
    route,
    answer, // to be answered with `failure`
    turn,   // to be taken into the lane, some at a time
    limit,  // its rate's next moment
    room,   // the end of one of its transactions
    release // held
  } wait = Wait::nothing;
  bool hopeless = false; // not a domain at all: `failure` stays
  bool held = false;
  bool outdated = false;   // its way was found by other rules than hold now
  bool resting = false;    // nothing needs it
  bool turn_kept = false;  // a share's turn had come when the route was found too old
  bool one_is_out = false; // of shares that go one by one, one is in the lane
  Lane* lane = nullptr;    // that the route leads to
  std::shared_ptr<const Way> way;
  Monotonic fresh_until{}; // a route just found is good for one turn, whatever its TTL; cleared by that turn
  std::shared_ptr<const resolver::RouteFailure> failure;
  Meter meter;                               // of its own, beside that of its Site
  std::optional<std::uint32_t> most_at_once; // transactions, likewise
  std::uint32_t at_once = 0;                 // under way
  std::uint32_t limit_place = 0;             // among the domains that wait for their rates
  Ring<Share> waiting;
  std::uint64_t recipients = 0; // in them
  std::uint32_t shares = 0;     // that have unfinished recipients, wherever they are

  [[nodiscard]] bool usable(Monotonic now) const {
    return lane != nullptr && !outdated && (now < way->expires || now < fresh_until);
  }

  // Its shares go into the lane one at a time, each when the one before has had its turn: the route was just found and may
  // be used once, or there is a limit.
  [[nodiscard]] bool one_by_one(Monotonic now) const {
    return now >= way->expires || meter.limits() || most_at_once;
  }

  [[nodiscard]] bool full() const { return most_at_once && at_once >= *most_at_once; }

  // Its limits let nothing go now.
  [[nodiscard]] bool limited(Monotonic now) const { return full() || meter.next(now) > now; }

  void set_limits(const SiteRule* rule, Monotonic now) {
    meter.set(rule, now);
    most_at_once = rule == nullptr ? std::nullopt : rule->connections;
  }
};

} // namespace bulkmail::agent
