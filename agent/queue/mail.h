// A message in the queue, seen as what is left of it to do.
//
//   Mail    one message: the order of its recipients, sorted by domain, one u32 each
//   Share   its recipients of one domain; stands in a Parcel, or waits with its domain for what that lacks
//   Job     a range of a share's recipients that are in the same state: ready, delayed, in an attempt, or leaving
//   Parcel  its shares in one Lane that have something ready: what takes turns there with other messages
//
// A job splits where its recipients part ways; a recipient that is final is in no job any more. There may be hundreds of
// thousands of each, so that they name each other by Refs and their sizes are looked after.
#pragma once

#include "agent/queue/ring.h"
#include "agent/queue/slab.h"
#include "spool/packed_facts.h"
#include "spool/time.h"

#include <algorithm>
#include <cstdint>
#include <span>
#include <utility>

namespace bulkmail::agent {

struct DomainQueue;
struct Lane;
struct Mail;
struct SenderRate;
struct Share;

struct Job {
  static constexpr std::uint16_t most_attempts = 0x7fff; // that are told apart

  Links<Job> links; // in one of its share's rings, in its attempt's, or among those that leave
  Ref<Share> share;
  std::uint32_t begin = 0, end = 0; // in Mail::order
  std::uint32_t due_place = 0;      // among all delayed jobs
  std::uint16_t step = 0;           // of its Site's outage, if it was told of that; 0: it was not
  std::uint16_t attempts : 15 = 0;  // that its recipients had
  std::uint16_t tried : 1 = 0;      // since the message was added

  [[nodiscard]] std::uint32_t size() const { return end - begin; }

  void count_attempt() {
    tried = 1;
    if (attempts < most_attempts) ++attempts;
  }
};

struct Parcel {
  Links<Parcel> links;     // in its lane's turns, or among those told of an outage
  Ring<Share> shares;      // never empty
  std::int32_t credit = 0; // recipients that it may still send in this turn
  std::uint32_t step = 0;  // of the Site's outage, if all of it was told of that
  Ref<Lane> lane;
};

struct Share {
  Links<Share> links; // in its parcel, or in its domain's or its sender's queue
  Ref<Mail> mail;
  Ref<Share> next_of_mail;
  Ref<DomainQueue> domain; // none once all its recipients are final
  Ref<Parcel> parcel;
  Ref<SenderRate> sender_rate; // that it waits for, or that lets it go when its turn comes
  Ring<Job> ready, delayed;
  std::uint32_t waiting = 0; // recipients in ready jobs
  std::uint32_t unfinished : 31 = 0;
  std::uint32_t cancelled : 1 = 0; // what is in an attempt still comes back so
};

struct Mail {
  explicit Mail(spool::PackedFacts of) : facts(std::move(of)) {}

  Mail(const Mail&) = delete;
  Mail& operator=(const Mail&) = delete;

  ~Mail() {
    if (!single) delete[] many;
  }

  spool::PackedFacts facts;
  Wall expires{};

  // The recipients, sorted by domain.
  union {
    std::uint32_t one = 0;
    std::uint32_t* many;
  };

  Ref<Share> shares; // the first; they stay as long as the mail does
  std::uint32_t unfinished = 0;
  std::uint32_t expiry_place = 0;
  std::uint16_t weight = 1;
  bool single : 1 = true;
  bool one_by_one : 1 = false; // XVERP gives each recipient a sender of its own
  bool attempt_first : 1 = false;
  bool over : 1 = false;      // its time has passed
  bool held : 1 = false;      // nothing of it is ready or due
  bool cancelled : 1 = false; // what is in an attempt still comes back so
  bool forgotten : 1 = false; // only the attempts under way still know it

  [[nodiscard]] std::uint32_t* order() { return single ? &one : many; }

  void set_order(std::span<const std::uint32_t> recipients) {
    single = recipients.size() == 1;
    if (!single) many = new std::uint32_t[recipients.size()];
    std::ranges::copy(recipients, order());
    unfinished = static_cast<std::uint32_t>(recipients.size());
  }

  // Whether this job of it is not to be tried any more.
  [[nodiscard]] bool over_for(const Job& job) const { return over && (job.tried || !attempt_first); }
};

} // namespace bulkmail::agent
