// The inside of the Scheduler: the books it keeps and the steps it is made of. What callers see is in scheduler.cpp, what
// enters and leaves the queues in scheduler_queues.cpp, the turns in a lane in scheduler_turns.cpp, who is served next in
// scheduler_work.cpp, what people do by hand in scheduler_hand.cpp, what holds a message in scheduler_holding.cpp, and when
// it will be done in scheduler_outlook.cpp.
#pragma once

#include "agent/queue/backlog.h"
#include "agent/queue/domains.h"
#include "agent/queue/holds.h"
#include "agent/queue/scheduler.h"
#include "agent/queue/sender_rates.h"
#include "agent/queue/sites.h"

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace bulkmail::agent {

// A recipient's way: sorted into a Job (backlog.h) → with its Share into a Parcel in the Lane that the domain's route
// leads to (sites.h), or first into the domain's queue (domain_queue.h) → an attempt → settled: done, delayed, or back.
struct Scheduler::Impl {
  struct Attempt {
    AttemptId id = 0;
    Work::Kind kind = Work::Kind::open;
    Ref<Mail> mail;
    Site* site = nullptr;    // of open, reuse, site_down
    SessionId session = 0;   // of open, reuse
    Ref<DomainQueue> domain; // likewise
    Ring<Job> jobs;
    std::uint32_t count = 0;
  };

  // Where a job joins what is ready.
  enum class Where : std::uint8_t {
    back,
    front, // before all else that is queued there
    told,  // its Site is down, and it was told so
  };

  // Something done to all mail that is selected, a piece at a time.
  struct Sweep {
    enum class Kind : std::uint8_t {
      flush,
      hold, // or release: as `holds` says now
      cancel,
    } kind = Kind::flush;
    Selector what;
    std::optional<SenderPattern> sender; // that `what` means, if it means senders
    std::uint64_t newest = 0;            // message there was: those that come later are not meant
    Ref<Mail> mail;                      // where it has got to; none: done
    Ref<Share> share;                    // within that
  };

  Impl(SchedulerConfig c, Dice& d) : config(std::move(c)), sites(config, backlog.parcels, d) {}

  SchedulerConfig config;
  Backlog backlog;
  Domains domains;
  Sites sites;
  SenderRates sender_rates{backlog.shares};
  Holds holds;
  Slab<Attempt, true> attempts;
  std::uint32_t last_serial = 0;
  Table<Parcel> parcels; // of messages to more than one domain, by message and lane
  List<DomainQueue> unroutable,
      entering; // with recipients to be answered so; with shares that may enter their lane
  Heap<DomainQueue, Monotonic, &DomainQueue::limit_place> limited; // by when their rates let something go
  Ring<Job> expired, cancelled;                                    // to be answered so
  Ref<Mail> expiring;                                              // whose jobs are being looked through
  Ref<Share> expiring_share;
  std::deque<Sweep> sweeps;
  std::uint64_t newest = 0; // message there ever was
  // Recipients, beside those in lanes.
  std::uint64_t ready = 0, delayed = 0, resolving = 0, held = 0, in_attempt = 0;
  Monotonic latest{};      // the last time that anyone told
  int budget = 0;          // steps that the present call may still take
  bool stopped = false;    // the last call had no budget left
  std::uint64_t steps = 0; // that were ever taken
  bool paused = false;

  // A step that does not yet lead to work; false: enough for now.
  bool spend() {
    ++steps;
    return budget-- > 0;
  }

  // scheduler_queues.cpp
  [[nodiscard]] std::uint64_t& total(const DomainQueue& domain);
  void count(const Share& share, std::uint64_t more, std::uint64_t less);
  void enqueue(Ref<Job> job, Where where, Monotonic now);
  void file(Ref<Share> share, Where where, Monotonic now);
  void wait(Ref<Share> share, bool at_head, Monotonic now);
  void place(DomainQueue& domain, Monotonic now);
  void leave(Ref<Share> share, Monotonic now);
  void withdraw(Ref<Job> job, Monotonic now);
  void lose_route(DomainQueue& domain);
  void finish(Ref<Share> share, std::uint32_t recipients);
  void drop(Ref<Job> job);
  void leave_queue(Ref<Job> job, Ring<Job>& leaving);
  void make_due(Ref<Job> job, Monotonic now);
  void expire(Monotonic now);
  void enter(Monotonic now);
  void let_out(Ref<Share> share, Monotonic now);
  void advance(Monotonic now);

  // scheduler_turns.cpp
  [[nodiscard]] std::int32_t quantum(const Mail& mail) const;
  [[nodiscard]] Ref<Parcel> parcel_of(Ref<Mail> mail, const Lane& lane) const;
  [[nodiscard]] bool told(const Parcel& parcel, const Site& site) const;
  void join(Ref<Share> share, Where where);
  void part(Ref<Share> share);
  [[nodiscard]] bool sender_lets(Ref<Share> share, const Site& site, Monotonic now);
  [[nodiscard]] Ref<Share> next_share(Lane& lane, Monotonic now);
  void charge(Ref<Parcel> parcel, std::uint32_t recipients);

  // scheduler_work.cpp
  Ref<Attempt> begin(Work& work, Work::Kind kind, Ref<Mail> mail);
  void fill(Work& work, Attempt& attempt);
  void take_jobs(Ref<Share> share, std::uint32_t limit, Attempt& attempt, Monotonic now);
  bool take_turn(Ref<Share> share, std::uint32_t limit, Attempt& attempt, Monotonic now);
  [[nodiscard]] bool may_go_along(const Share& share, const Lane& lane, Monotonic now);
  [[nodiscard]] Work transact(Work::Kind kind, Lane& lane, Ref<Share> share, Session& session, Monotonic now);
  [[nodiscard]] Work close(Session& session, Site* for_other);
  [[nodiscard]] Work leaving(Work::Kind kind, Ring<Job>& jobs);
  std::optional<Work> next(Monotonic now);
  std::optional<Work> next_unroutable(Monotonic now);
  std::optional<Work> next_site_down(Monotonic now);
  std::optional<Work> next_reuse(Monotonic now);
  std::optional<Work> next_open(Monotonic now);

  // scheduler.cpp
  [[nodiscard]] Consignment take_share(Ref<Share> share, Monotonic now);
  [[nodiscard]] Attempt* find(AttemptId id);
  void settle_job(Ref<Job> job, std::span<const Disposition> dispositions, const Attempt& attempt,
                  Monotonic now);
  void settle_alike(Ref<Job> job, const Disposition& disposition, const Attempt& attempt, Monotonic now);
  std::vector<std::pair<Disposition, std::uint32_t>> parted; // scratch of settle_job

  // scheduler_outlook.cpp
  struct Look;
  [[nodiscard]] Outlook look_at(Ref<Mail> mail, Monotonic now);

  // scheduler_holding.cpp
  [[nodiscard]] Holding held_by(const Share& share);

  // scheduler_hand.cpp
  void start(Sweep::Kind kind, const Selector& what, Monotonic now);
  void set_hold(const Selector& what, bool on, Monotonic now);
  [[nodiscard]] static bool selects(const Sweep& sweep, const Mail& mail);
  [[nodiscard]] bool selects(const Selector& what, const Share& share);
  [[nodiscard]] static bool means(std::string_view site, const DomainQueue& domain);
  void sweep(Monotonic now);
  bool sweep_share(const Sweep& sweep, Ref<Share> share, Monotonic now);
  bool take_out(Ref<Share> share, Ring<Job>& into, Monotonic now);
  void apply_holds(Mail& mail);
  void apply_holds(Site& site);
  void apply_holds(DomainQueue& domain) const;
  void forget(Ref<Mail> mail);

  void tell(Monotonic now) { latest = std::max(latest, now); }
};

} // namespace bulkmail::agent
