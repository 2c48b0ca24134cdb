// A message in the queue, seen as what is left of it to do.
//
//   Mail    one message: the order of its recipients, sorted by domain, one u32 each
//   Share   its recipients of one domain; it takes turns with other messages' shares in that domain's queue
//   Job     a range of a share's recipients that are in the same state: ready, delayed, in an attempt, or
//   expired
//
// A job splits where its recipients part ways; a recipient that is final is in no job any more.
#pragma once

#include "agent/queue/heap.h"
#include "agent/queue/intrusive_list.h"
#include "agent/queue/slab.h"
#include "spool/packed_facts.h"
#include "spool/time.h"

#include <cstdint>
#include <memory>
#include <span>
#include <utility>

namespace bulkmail::agent {

struct DomainQueue;
struct Share;

struct Job : Link<> {
  Job(Share& of, std::uint32_t from, std::uint32_t to) : share(&of), begin(from), end(to) {}

  Share* share;
  std::uint32_t begin, end;    // in Mail::order
  std::uint32_t due_place = 0; // in Mail::delayed
  std::uint16_t attempts = 0;  // that its recipients had
  bool tried = false;          // since the message was added

  [[nodiscard]] std::uint32_t size() const { return end - begin; }
};

struct Mail;

struct Share : Link<> {
  Mail* mail = nullptr;
  DomainQueue* domain = nullptr; // null once all its recipients are done
  List<Job> ready;
  List<Job> delayed;
  std::uint32_t unfinished = 0;
};

struct Mail : Link<>, std::enable_shared_from_this<Mail> {
  explicit Mail(spool::PackedFacts of) : facts(std::move(of)), number(facts.number()) {}

  spool::PackedFacts facts;
  std::uint64_t number;
  Wall expires{};
  std::unique_ptr<std::uint32_t[]> order;
  std::unique_ptr<Share[]> shares;
  std::uint32_t share_count = 0;
  std::uint32_t unfinished = 0;
  Heap<Job, Monotonic, &Job::due_place> delayed;
  List<Job> expired;              // to be answered; the mail is then in the scheduler's list of such
  std::uint32_t due_place = 0;    // among the mails, by their earliest delayed job
  std::uint32_t expiry_place = 0; // among the mails, by expiry
  bool attempt_first = false;
  bool one_by_one = false; // as Envelope::one_by_one() says
  bool over = false;       // its time has passed
  bool forgotten = false;  // only the attempts under way still know it

  [[nodiscard]] std::span<Share> all_shares() const { return {shares.get(), share_count}; }

  // Whether this job of it is not to be tried any more.
  [[nodiscard]] bool over_for(const Job& job) const { return over && (job.tried || !attempt_first); }
};

// Cuts the first `count` recipients off a job.
inline Job& split(Job& job, std::uint32_t count, Slab<Job>& jobs) {
  Job& part = jobs.make(*job.share, job.begin, job.begin + count);
  part.attempts = job.attempts;
  part.tried = job.tried;
  job.begin += count;
  return part;
}

} // namespace bulkmail::agent
