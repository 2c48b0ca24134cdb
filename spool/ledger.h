// What became of every recipient, made durable in the only safe order:
//
//   outcomes -> journal (one fdatasync a group) -> results/ -> status files by rename, notices to senders into new/ -> one
//   syncfs -> the message leaves cur/ -> (a later syncfs) -> its journal segment goes
//
// The ledger decides and orders; it owns no thread. It hands out jobs that block; whoever runs it runs them
// where blocking is allowed, one of each kind at a time, and hands them back:
//
//   ledger.settle(message, recipients, outcome, now);
//   while (auto job = ledger.next_job(now)) pool.run(job, [&] { ledger.finish(std::move(job), now); });
//   arm a timer at ledger.deadline();
//
// settle() and friends only touch memory. A status file never claims what the journal does not have durably.
#pragma once

#include "spool/disk.h"
#include "spool/drop/claim.h"
#include "spool/ledger_config.h"
#include "spool/message.h"
#include "spool/status/status.h"

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace bulkmail::spool {

struct LedgerHealth {
  enum class State : std::uint8_t {
    good,
    full,      // ENOSPC, EDQUOT, no inodes: no new work, no dot is sent; goes on by itself
    read_only, // EROFS: the same
    broken,    // a sync failed or the journal can't be written: for good; stop and replay
  } state = State::good;
  std::string text;
};

class Ledger;

// Blocking work. run() may be called on any thread, once; it touches nothing of the ledger.
class LedgerJob {
 public:
  virtual ~LedgerJob() = default;
  virtual void run() = 0;
};

// What recovery found (docs/spool-format.md, table of states).
struct Recovered {
  std::vector<std::unique_ptr<Message>> messages; // unfinished or not yet closed; outcomes applied
  std::vector<std::string> warnings;
};

class Ledger {
 public:
  Ledger(Disk& disk, Ids& ids, LedgerConfig config);
  ~Ledger();

  // Blocking, before anything else: makes what is missing in the spool, reads the journal, cur/ and the tail
  // of results/, restores every message. An error: the spool is unusable, and nothing was changed. A drop that
  // was being handled in three starts that crashed is refused. What must be written after it (missing result
  // lines, a fresh segment with the state of all) is the first job.
  [[nodiscard]] Result<Recovered> recover(Wall now);

  // A freshly claimed message; recovered ones are known already. The message must outlive the ledger's
  // interest in it: until take_closed() names it.
  void begin(Message& message, Now now);
  // Applies the outcome to those recipients that have no final action yet, and records it.
  void settle(Message& message, std::span<const std::uint32_t> recipients, Outcome outcome, Now now);
  void refused(const Refused& refused, Now now); // an event in results/; its status file is there already
  // A file changed after claim or gone: to bad/ if there, final status with an error, results event. Nothing of
  // the message may be settled any more; take_closed() names it in the end.
  void condemn(Message& message, DropProblem problem, Now now);

  [[nodiscard]] std::unique_ptr<LedgerJob> next_job(Now now);
  void finish(std::unique_ptr<LedgerJob> job, Now now);
  [[nodiscard]] std::optional<Monotonic> deadline() const;
  // Messages of which a status that isn't final is due by then, the next thousand at most: for whoever knows a fresher
  // forecast of them (Message::set_forecast). Their statuses are taken in next_job.
  [[nodiscard]] std::vector<std::uint64_t> statuses_due_by(Monotonic when) const;

  // Messages that are final, durably told of and gone from cur/: their numbers. The owner may forget them.
  [[nodiscard]] std::vector<std::uint64_t> take_closed();
  // Names of notices that were dropped into new/ since the last call: hints for the claim.
  [[nodiscard]] std::vector<std::string> take_dropped();
  // Some sender is still to be told of something.
  [[nodiscard]] bool owes_notices() const;
  // Everything settled so far is durable and published; nothing is pending.
  [[nodiscard]] bool idle() const;
  // For a drain or a stop: makes every pending step due now, and all that follow from it until idle().
  void hurry();

  // Makes what was recorded so far due at once; with the `begin` of every message that there is, it is durable when
  // is_durable() says so of the number that this answers.
  [[nodiscard]] std::uint64_t commit_now();
  [[nodiscard]] bool is_durable(std::uint64_t commit) const;

  [[nodiscard]] const LedgerHealth& health() const;
  void set_config(LedgerConfig config); // HUP

 private:
  class Book; // spool/ledger/book.h
  std::unique_ptr<Book> book_;
};

} // namespace bulkmail::spool
