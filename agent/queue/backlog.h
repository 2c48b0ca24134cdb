// All messages in the queue: what of them is left to do, when it is due again and when their time is over.
//
// It keeps, splits and times; who is served is decided elsewhere. What it keeps it names by Refs, into slabs that are open
// to the scheduler.
#pragma once

#include "agent/queue/domains.h"
#include "agent/queue/heap.h"
#include "agent/queue/mail.h"
#include "agent/queue/scheduler.h"
#include "agent/queue/table.h"

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace bulkmail::agent {

class Backlog {
 public:
  Slab<Mail> mails;
  Slab<Share> shares;
  Slab<Job> jobs;
  Slab<Parcel> parcels;

  // Its jobs that are to wait are delayed already; those that are ready are in `ready`, for the caller to enqueue.
  Ref<Mail> add(Consignment& consignment, Domains& domains, Monotonic now, std::vector<Ref<Job>>& ready);
  [[nodiscard]] Ref<Mail> find(std::uint64_t message) const; // none: it is not, or no longer, in the queue
  [[nodiscard]] std::vector<Ref<Mail>> parts(std::uint64_t message) const; // it may have come in parts
  void remove(Ref<Mail> mail);                                             // nothing of it is left

  // Cuts the first `count` recipients off a job.
  [[nodiscard]] Ref<Job> split(Ref<Job> job, std::uint32_t count);

  void delay(Ref<Job> job, Monotonic due);
  void undelay(Ref<Job> job);
  // The next delayed job, if it is due by then.
  [[nodiscard]] Ref<Job> due(Monotonic now) const;
  [[nodiscard]] std::optional<Monotonic> next_due() const;

  [[nodiscard]] Monotonic due_of(Ref<Job> delayed) const { return dues_.key(delayed); }

  // A message whose time is over; each comes once.
  [[nodiscard]] Ref<Mail> take_expired(Monotonic now);
  [[nodiscard]] std::optional<Monotonic> next_expiry() const;

  [[nodiscard]] Monotonic expires_at(Ref<Mail> mail) const { return expiries_.key(mail); }

 private:
  // What was known of a recipient before, and when it is due.
  struct Known {
    Monotonic due{};
    std::uint16_t attempts = 0;
    auto operator<=>(const Known&) const = default;
  };

  void make_jobs(Ref<Share> share, std::uint32_t begin, std::uint32_t end,
                 std::span<const Consignment::Restored> restored, Monotonic now,
                 std::vector<Ref<Job>>& ready);
  std::vector<std::pair<Known, std::uint32_t>> known_; // scratch of make_jobs, with the recipient
  Table<Mail> by_number_;
  SlabHeap<Job, Monotonic, &Job::due_place> dues_{PlaceInSlab<Job, &Job::due_place>{&jobs}};
  SlabHeap<Mail, Monotonic, &Mail::expiry_place> expiries_{PlaceInSlab<Mail, &Mail::expiry_place>{&mails}};
};

} // namespace bulkmail::agent
