// The rates of sender domains at Sites, as [[site]] entries with `sender` give them, and the shares that wait for one.
//
// A share whose turn comes while its sender's rate lets nothing go waits here. Of those that wait for a rate one is let out
// at a time, when the rate allows it, so that the others cost nothing. A rate that nothing waits for is forgotten once it
// has no debt: it is as good as a new one then. Until that it outlives its Site.
#pragma once

#include "agent/queue/heap.h"
#include "agent/queue/mail.h"
#include "agent/queue/meter.h"
#include "agent/queue/table.h"

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

namespace bulkmail::agent {

struct SenderRate {
  std::string site, sender;
  std::uint32_t hash = 0;
  std::uint32_t place = 0;        // among those that are looked at at some time
  const SiteRule* rule = nullptr; // that the meter has
  Meter meter;
  Ring<Share> waiting;
  Ref<Share> out;          // let out of these into its lane; its turn is to come
  std::uint32_t users = 0; // shares that wait or are bound
};

class SenderRates {
 public:
  explicit SenderRates(Slab<Share>& shares) : shares_(shares) {}

  [[nodiscard]] Ref<SenderRate> find_or_make(const SiteRule& rule, std::string_view site,
                                             std::string_view sender, Monotonic now);
  // Whether the share may go now; it is bound to the rate until it has gone or left its lane.
  [[nodiscard]] bool lets(Ref<SenderRate> rate, Ref<Share> share, Monotonic now);
  void wait(Ref<SenderRate> rate, Ref<Share> share, Monotonic now);
  // A share that waits or is bound goes elsewhere.
  void release(Ref<Share> share, Monotonic now);

  // The most recipients that may go at once; none: as many as there are.
  [[nodiscard]] std::uint32_t most(Ref<SenderRate> rate) const {
    return rate ? rates_[rate].meter.most() : std::numeric_limits<std::uint32_t>::max();
  }

  // A bound one goes.
  void take(Ref<SenderRate> rate, Ref<Share> share, std::uint32_t recipients, Monotonic now);

  // A share to be let out now, which takes it out of those that wait; none: not yet.
  [[nodiscard]] Ref<Share> let_out(Monotonic now);
  [[nodiscard]] std::optional<Monotonic> wake_at() const;

  [[nodiscard]] Monotonic next(Ref<SenderRate> rate, Monotonic now) const {
    return rates_[rate].meter.next(now);
  }

  void look_again(Ref<SenderRate> rate, Monotonic now); // at once: its rule may be gone
  void replace_rules(Monotonic now);                    // each is asked for again when a turn comes

 private:
  void arm(Ref<SenderRate> rate, Monotonic now);

  Slab<Share>& shares_;
  Slab<SenderRate> rates_;
  Table<SenderRate> by_name_;
  SlabHeap<SenderRate, Monotonic, &SenderRate::place> wakes_{
      PlaceInSlab<SenderRate, &SenderRate::place>{&rates_}};
};

} // namespace bulkmail::agent
