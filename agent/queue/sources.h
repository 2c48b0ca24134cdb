// The local addresses to send from: which one a new session has, and which have room for a transaction now.
//
// An address that is being warmed up (warmup.h) has room for one transaction at a time. A lane with work whose every address
// is without room waits in its pool; each time that an address has room again one of the lanes that wait is let out, in turn.
// The others cost nothing, and nothing is polled. An address that is taken out of the configuration is not forgotten: put back,
// it goes on where it stood.
#pragma once

#include "agent/queue/heap.h"
#include "agent/queue/site.h"
#include "agent/queue/source_rule.h"
#include "agent/queue/warmup.h"
#include "resolver/route.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <span>
#include <vector>

namespace bulkmail::agent {

struct SourcePool;

struct SourceAddress {
  explicit SourceAddress(const resolver::IpAddress& of) : address(of) {}

  resolver::IpAddress address;
  Warmup warmup{{}, {}, {}};
  bool warming = false; // a rule gives it steps
  bool has_room = true;
  std::uint32_t rest_place = 0;   // among those without room
  std::vector<SourcePool*> pools; // that it is in
};

// What a lane may choose from: addresses of a list that fit the families of its mail hosts.
struct SourcePool : Link<> {
  std::vector<SourceAddress*> addresses; // none of the list fits: empty
  resolver::IpAddress first;             // of the list: to fail from, if none fits
  std::size_t turn = 0;
  std::uint32_t with_room = 0;
  bool waited_for = false; // as it was last looked at
  List<Lane> waiting;      // lanes with work, for room

  [[nodiscard]] bool has_room() const { return with_room > 0 || addresses.empty(); }
};

// A list of addresses, as a [[site]] entry or smtp.source gives it; its place in memory is its identity.
struct SourceList {
  std::vector<resolver::IpAddress> addresses;
  std::array<SourcePool, 3> pools; // by what the mail hosts have: IPv4, IPv6, both
};

class Sources {
 public:
  void set_rules(std::span<const SourceRule> rules, Monotonic now);
  // Of the addresses with a warm-up: where they stood in an earlier run, or stand elsewhere. One that has begun here goes on.
  void restore(const WarmupStates& states, Now now);
  [[nodiscard]] WarmupStates states(Now now);

  // Null: the list is empty, the system chooses.
  [[nodiscard]] SourceList* list(std::span<const resolver::IpAddress> addresses);
  [[nodiscard]] static SourcePool& pool(SourceList& list, const resolver::Route& route);

  // The address for a new session: those with room take turns. Null: none of the pool fits.
  [[nodiscard]] static SourceAddress* choose(SourcePool& pool);
  // The most recipients that a transaction from there may have; it goes.
  [[nodiscard]] static std::uint32_t most(SourceAddress& source, Monotonic now);
  void spend(SourceAddress& source, std::uint32_t recipients, Monotonic now);

  // An address that has room again; null: none. Some lane of `ready` may be let out for it.
  [[nodiscard]] SourceAddress* rested(Monotonic now);
  [[nodiscard]] std::optional<Monotonic> wake_at() const; // if anything waits for it

  // A pool that has room and lanes that wait; they take turns. `update` after lanes came to wait, or left.
  [[nodiscard]] SourcePool* ready() const { return ready_.first(); }

  void update(SourcePool& pool);
  void had_its_turn(SourcePool& pool);

  [[nodiscard]] static Monotonic next(const SourcePool& pool, Monotonic now); // when it has room

 private:
  SourceAddress& find_or_make(const resolver::IpAddress& address);
  void look_at(SourceAddress& source, Monotonic now);

  std::map<resolver::IpAddress, SourceAddress> addresses_;
  std::deque<SourceList> lists_; // as many as the configuration ever had
  List<SourcePool> ready_;
  std::size_t waited_for_ = 0; // pools
  Heap<SourceAddress, Monotonic, &SourceAddress::rest_place> resting_;
};

} // namespace bulkmail::agent
