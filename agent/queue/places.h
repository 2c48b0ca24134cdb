// Shares the `connections` places out among the Sites.
//
// A free place goes to a Site that has not answered yet, first come first served, as it takes but one; else
// to the Site that holds the fewest, and among equals in turn. Sessions being opened to Sites that have not
// answered may take half of the places, so that hosts which never answer cannot hold up the others. Nor each other: of
// four such places one goes to a Site that was tried in vain before, the others to new ones while there are any, and three at
// most are left to the former if there are none: those may take minutes, and a new Site should not wait for that. While
// Sites wait for one of those places, a session that has been opening for longer than its Site's patience gives up.
// Patience starts at a few round trips and doubles with each failure, so that a host that is merely slow is reached in
// the end. N Sites that have never answered, of which some never will, are all tried within N / (places / 2) times the
// first patience.
//
// When no place is free, a session that has finished its transaction gives way if its Site holds more than its fair share
// and another holds less. If no Site with work holds more, an idle one is closed instead, the longest idle first. Whatever
// has been idle for a while is closed for any Site: but not at once, as mail for a small Site comes in drops and should find
// its session there. Each session that closes for another Site is promised to that Site, so that never more close than are
// needed. Where there are more Sites than places, each session has its time and then lets a Site that has none have it.
#pragma once

#include "agent/queue/heap.h"
#include "agent/queue/site.h"

#include <algorithm>
#include <cstdint>
#include <optional>

namespace bulkmail::agent {

class Places {
 public:
  explicit Places(std::uint32_t limit) { set_limit(limit); }

  void set_limit(std::uint32_t limit);

  void update(Site& site); // after any change of what it has, wants or may have
  void forget(Site& site); // it is about to go

  // Sessions come and go. `promise` is for one that starts to close; `gone` is for every one in the end.
  void opened(Session& session, Monotonic now);
  void giving_up(Session& session);
  void proven(Session& session); // its Site has answered
  void promise(Session& session, Site& to);
  void gone(Session& session);

  [[nodiscard]] bool room() const { return total_ < limit_; }

  // More sessions than may be, those that are closing left out.
  [[nodiscard]] bool overfull(std::uint32_t closing) const { return total_ - closing > limit_; }

  [[nodiscard]] Site* next() const; // whose turn it is to open a session, or to be promised one
  // From when on a session that is idle since then may be closed for `next`; there is one, and no room.
  [[nodiscard]] Monotonic may_take_idle(Monotonic since) const;
  // The Site that this session, free after a transaction, has to give way to; null: it may go on.
  [[nodiscard]] Site* to_give_way_to(const Session& session, Monotonic now) const;

  // Whose opening has lasted for longer than its Site's patience, and from when on its place is needed.
  [[nodiscard]] Session* least_patience() const;

  [[nodiscard]] std::optional<Monotonic> give_up_at() const;

  [[nodiscard]] std::uint32_t total() const { return total_; }

 private:
  struct Hunger {
    std::uint32_t places; // held and promised
    std::uint64_t turn;
    auto operator<=>(const Hunger&) const = default;
  };

  [[nodiscard]] std::uint32_t fair_share() const;

  using Patience = Heap<Session, Monotonic, &Session::patience_place>;

  [[nodiscard]] std::uint32_t unproven_limit() const { return std::max(limit_ / 2, 1U); }

  [[nodiscard]] std::uint32_t again_limit() const { return unproven_limit() - unproven_limit() / 4; }

  // A Site that was tried in vain may be tried now, as far as others of them go.
  [[nodiscard]] bool again_has_room() const { return again_places_ < again_limit(); }

  [[nodiscard]] Patience& patience_of(const Session& session) {
    return session.again_place ? again_patience_ : fresh_patience_;
  }

  void take_unproven(Session& session, const Site& site);
  void leave_unproven(Session& session);

  void queue(Site& site, bool at_head);
  void unqueue(Site& site);

  [[nodiscard]] bool anyone_has_more() const {
    return !holders_.empty() && ~holders_.top_key() > fair_share();
  }

  [[nodiscard]] bool lacks(const Site& site) const { return site.sessions() + site.promised < fair_share(); }

  std::uint32_t limit_ = 1;
  std::uint32_t total_ = 0;
  std::uint32_t active_ = 0;          // Sites with work
  std::uint32_t unproven_places_ = 0; // opening to, or promised to, Sites that have not answered
  std::uint32_t again_places_ = 0;    // of those, to Sites that were tried in vain
  std::uint64_t turns_ = 0;
  std::uint32_t giving_up_ = 0;
  List<Site> fresh_, again_;                 // that have not answered yet: new ones, and those tried in vain
  std::uint32_t queued_ = 0;                 // in either
  std::uint32_t fresh_served_ = 0;           // in a row
  Patience fresh_patience_, again_patience_; // of sessions that open to such
  Heap<Site, Hunger, &Site::hungry_place> hungry_;
  Heap<Site, std::uint32_t, &Site::holder_place>
      holders_; // with work, by ~held: who holds the most comes first
};

} // namespace bulkmail::agent
