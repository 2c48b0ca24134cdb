// The recipients of one domain: what is ready waits here for a turn, message beside message, so that a single
// mail behind a post to 100,000 waits for a few transactions. The domain itself waits in one place at a time:
// to have its route asked for, in the Lane of its Site for its turn, or to be answered as unroutable.
#pragma once

#include "agent/queue/intrusive_list.h"
#include "agent/queue/mail.h"
#include "agent/queue/slab.h"
#include "resolver/route.h"

#include <cstdint>
#include <memory>
#include <string>

namespace bulkmail::agent {

struct Lane;

struct DomainQueue : Link<> {
  enum class State : std::uint8_t {
    unknown,    // no route, and nobody needs one
    wanted,     // needs a route; not asked yet
    asking,     // handed out by next_wanted
    routed,     // `route` and `lane` are set
    unroutable, // `failure` is set, until all that waits is answered with it
  } state = State::unknown;
  bool hopeless = false;  // not a domain at all: stays unroutable
  bool turn_kept = false; // its turn had come when its route was found too old
  const std::string* name = nullptr;
  std::shared_ptr<const resolver::Route> route;
  Monotonic fresh_until{}; // a route just found is good for one turn, whatever its TTL; cleared by that turn
  std::shared_ptr<const resolver::RouteFailure> failure;
  Lane* lane = nullptr;
  List<Share> turns;         // shares with ready jobs
  List<Share> parked;        // shares with delayed jobs only
  std::uint64_t waiting = 0; // recipients in ready jobs
  std::uint32_t shares = 0;  // that have unfinished recipients
  std::uint32_t group = 0;   // scratch: its number among the domains of the message being added,
  std::uint64_t mark = 0;    // scratch: if that message's mark is this

  [[nodiscard]] bool resolving() const {
    return state == State::unknown || state == State::wanted || state == State::asking;
  }

  [[nodiscard]] bool usable(Monotonic now) const { return now < route->expires || now < fresh_until; }

  void push_back(Job& job);
  void push_front(Job& job); // and its message is the next to have a turn
  void remove(Job& job);     // a ready one
  // The next turn: up to `limit` recipients of the first share move into `taken`; the share goes to the back.
  std::uint32_t take(std::uint32_t limit, Slab<Job>& jobs, List<Job>& taken);
  // Puts a share where its jobs say it belongs.
  void file(Share& share);
};

} // namespace bulkmail::agent
