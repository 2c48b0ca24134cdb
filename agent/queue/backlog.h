// All messages in the queue: what of them is left to do, when it is due again and when their time is over.
//
// It sorts, splits and times; who is served is decided elsewhere.
#pragma once

#include "agent/queue/domains.h"
#include "agent/queue/mail.h"
#include "agent/queue/scheduler.h"
#include "agent/queue/slab.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

namespace bulkmail::agent {

class Backlog {
 public:
  // Sorts the recipients by domain. Its jobs that are to wait are delayed already; those that are ready
  // are in `ready`, for the caller to enqueue.
  std::shared_ptr<Mail> add(Consignment consignment, Domains& domains, Monotonic now, List<Job>& ready);
  [[nodiscard]] std::shared_ptr<Mail> find(std::uint64_t message) const;
  void remove(Mail& mail); // twice does no harm; the caller, and attempts, may hold it for longer

  void release(Job& job) { jobs_.release(job); }

  [[nodiscard]] Slab<Job>& jobs() { return jobs_; }

  void delay(Job& job, Monotonic due);
  void undelay(Job& job);
  // The next delayed job, if it is due by then.
  [[nodiscard]] Job* due(Monotonic now) const;
  [[nodiscard]] std::optional<Monotonic> next_due() const;

  // A message whose time is over; each comes once.
  [[nodiscard]] Mail* take_expired(Monotonic now);
  [[nodiscard]] std::optional<Monotonic> next_expiry() const;

 private:
  // What was known of a recipient before, and when it is due.
  struct Known {
    Monotonic due{};
    std::uint16_t attempts = 0;
    auto operator<=>(const Known&) const = default;
  };

  void make_jobs(Share& share, std::uint32_t begin, std::uint32_t end, std::span<const Known> known,
                 Monotonic now, List<Job>& ready);
  std::unordered_map<std::uint64_t, std::shared_ptr<Mail>> mails_; // by the message's number
  Slab<Job> jobs_;
  Heap<Mail, Monotonic, &Mail::due_place> dues_;
  Heap<Mail, Monotonic, &Mail::expiry_place> expiries_;

  // Scratch of add, kept so that a message of one recipient allocates next to nothing.
  struct Picked {
    std::uint32_t recipient, group;
  };

  struct Group {
    DomainQueue* domain;
    std::uint32_t count;
  };

  std::vector<Picked> picked_;
  std::vector<Group> groups_;
  std::uint64_t mark_ = 0;
};

} // namespace bulkmail::agent
