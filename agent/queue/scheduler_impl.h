// The inside of the Scheduler: the books it keeps and the steps it is made of. What enters and leaves the queues is in
// scheduler_queues.cpp, who is served next in scheduler_work.cpp, what callers see in scheduler.cpp.
#pragma once

#include "agent/queue/backlog.h"
#include "agent/queue/domains.h"
#include "agent/queue/scheduler.h"
#include "agent/queue/sites.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

namespace bulkmail::agent {

// A recipient's way: sorted into a Job (backlog.h) → its domain's queue (domain_queue.h) → the Lane that the
// domain's route leads to (sites.h) → an attempt → settled: done, delayed, or back into its domain's queue.
struct Scheduler::Impl {
  struct Attempt {
    std::shared_ptr<Mail> mail;
    Site* site = nullptr;  // of open, reuse, site_down
    SessionId session = 0; // of open, reuse
    List<Job> jobs;
    std::uint32_t count = 0;
  };

  explicit Impl(SchedulerConfig c) : config(c), sites(c) {}

  SchedulerConfig config;
  Backlog backlog;
  Domains domains;
  Sites sites;
  std::unordered_map<AttemptId, Attempt> attempts;
  AttemptId last_attempt = 0;
  List<DomainQueue> unroutable; // with recipients to be answered so
  List<Mail> over;              // with recipients to be answered as expired
  std::uint64_t ready = 0, delayed = 0, resolving = 0, in_attempt = 0; // recipients
  Monotonic latest{};                                                  // the last time that anyone told
  bool paused = false;

  // Recipients become or cease to be ready in a domain's queue.
  void count(const DomainQueue& domain, std::uint64_t more, std::uint64_t less) {
    std::uint64_t& total = domain.resolving() ? resolving : ready;
    total += more - less;
    if (domain.lane != nullptr) domain.lane->site->waiting += more - less;
  }

  void enqueue(Job& job, bool at_head, Monotonic now);
  void place(DomainQueue& domain, Monotonic now);
  void ask(DomainQueue& domain);
  void leave_lane(DomainQueue& domain);
  void withdraw(Job& job);
  void finish(Share& share, std::uint32_t recipients);
  void drop(Job& job);
  void expire(Mail& mail);
  bool advance(Monotonic now);

  Work begin(Work::Kind kind, const std::shared_ptr<Mail>& mail, Attempt*& attempt);
  void fill(Work& work, Attempt& attempt);
  Work take(Work::Kind kind, DomainQueue& domain, std::uint32_t limit);
  DomainQueue* next_domain(Lane& lane, Monotonic now);
  [[nodiscard]] Work close(Session& session, Site* for_other);

  [[nodiscard]] std::uint32_t transaction_limit(const DomainQueue& domain) const {
    return domain.turns.front().mail->one_by_one ? 1 : std::max(config.recipients_per_transaction, 1U);
  }

  std::optional<Work> next(Monotonic now);
  std::optional<Work> next_expired();
  std::optional<Work> next_unroutable();
  std::optional<Work> next_site_down(Monotonic now);
  std::optional<Work> next_reuse(Monotonic now);
  std::optional<Work> next_open(Monotonic now);

  void settle_job(Job& job, std::span<const Disposition> dispositions, Monotonic now);
  void settle_alike(Job& job, const Disposition& disposition, Monotonic now);
  void make_due(Job& job, Monotonic now);
  std::vector<std::pair<Disposition, std::uint32_t>> parted; // scratch of settle_job

  void tell(Monotonic now) { latest = std::max(latest, now); }
};

} // namespace bulkmail::agent
