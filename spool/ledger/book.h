// The ledger's memory: which messages it cares for, what is gathered for the next commit, what waits to be told of, and
// when each of these is due.
//
// A message's way: begin() → settle()… → (all final, their batch committed) finals_ → a publication → closed. Its status
// before that: due in a heap → staged_ with the batch whose commit it must wait for → a publication.
#pragma once

#include "spool/ledger.h"
#include "spool/ledger/commit.h"
#include "spool/ledger/publication.h"
#include "spool/ledger/segment_use.h"
#include "spool/notice/owed.h"
#include "spool/number_table.h"
#include "spool/recovery.h"

#include <algorithm>
#include <deque>
#include <unordered_map>
#include <utility>
#include <vector>

namespace bulkmail::spool {

class Ledger::Book {
 public:
  Book(Disk& disk, Ids& ids, LedgerConfig config);

  Result<Recovered> recover(Wall now);
  void begin(Message& message, Now now);
  void settle(Message& message, std::span<const std::uint32_t> recipients, Outcome outcome, Now now);
  void refused(const Refused& refused, Now now);
  void condemn(Message& message, DropProblem problem, Now now);
  std::unique_ptr<LedgerJob> next_job(Now now);
  void finish(std::unique_ptr<LedgerJob> job, Now now);
  [[nodiscard]] std::optional<Monotonic> deadline() const;
  [[nodiscard]] std::vector<std::uint64_t> statuses_due_by(Monotonic when) const;

  [[nodiscard]] std::vector<std::uint64_t> take_closed() { return std::exchange(closed_, {}); }

  [[nodiscard]] std::vector<std::string> take_dropped() { return std::exchange(dropped_, {}); }

  [[nodiscard]] bool owes_notices() const { return !notices_.idle() || notices_leaving_; }

  [[nodiscard]] bool idle() const;
  void hurry();
  std::uint64_t commit_now();

  // After a start, messages that the journal doesn't know get their `begin` some commits later.
  [[nodiscard]] bool is_durable(std::uint64_t commit) const {
    return unstated_ == 0 && committed_ >= std::max(commit, restated_);
  }

  [[nodiscard]] const LedgerHealth& health() const { return health_; }

  void set_config(LedgerConfig config) { config_ = std::make_shared<const LedgerConfig>(std::move(config)); }

 private:
  // How many segments may lie about because of a few long-lived messages before their states are written anew.
  static constexpr std::size_t usual_segments = 8;
  static constexpr milliseconds retry_delay{1'000}; // of a full disk
  static constexpr Monotonic at_once{};
  static constexpr Monotonic never = Monotonic::max();

  static constexpr std::uint64_t last_batch_mask =
      (std::uint64_t{1} << 56) - 1; // ten million years of commits

  // 32 octets, since there is one for each message; what few have is in maps beside.
  struct Entry {
    Message* message = nullptr;
    std::uint64_t last_batch : 56 = 0; // the last one with records of it
    bool has_status : 1 = false;       // a status file was written or is under way
    bool delay_told : 1 = false;       // the first delay is told of soon, later ones by the interval
    bool staged : 1 = false;           // a snapshot waits in staged_
    bool again : 1 = false;            // there is more to tell than that snapshot does
    bool leaving : 1 = false;          // in finals_ or in a publication
    bool condemned : 1 = false;        // condemned_ says why
    bool unstated : 1 = false;         // recovered, and its state is not yet in a batch
    bool unstored : 1 = false;         // recovered, and its state is not yet durable in a segment of this run
    bool unknown : 1 = false;          // recovered, and the journal has no `begin` of it
    Monotonic status_due = never;      // the heap may have older times; this one counts
    std::uint32_t segment = 0;         // the oldest with records of it, of this run; 0: none
    std::uint32_t last_status = 0;     // second() of it; 0: none
  };

  struct Staged {
    std::uint64_t batch = 0; // must be committed first
    std::uint64_t message = 0;
    Snapshot snapshot;
  };

  using Due = std::pair<Monotonic, std::uint64_t>; // when, which message's status

  void adopt(Message& message, RecoveredMessage& recovered, Wall now);

  [[nodiscard]] Entry* find(const Message& message) { return entries_.find(message.number()); }

  // The pending batch.
  Batch& pending() { return *pending_; }

  [[nodiscard]] const Batch& pending() const { return *pending_; }

  void touch(Entry& entry);
  void refusal_event(std::uint64_t message, const std::string& id, const std::string& name,
                     const DropProblem& problem, Wall now);
  void commit_by(Monotonic when);
  void ensure_begun(Entry& entry);
  void restate(std::uint64_t number, Entry& entry);
  void restate_recovered();
  void carry_oldest_segment();
  void stored(Entry& entry);
  void unpin_recovered();
  std::unique_ptr<LedgerJob> next_commit(Now now);
  void finish_commit(CommitJob& job, Now now);

  // Status files.
  void status_by(Entry& entry, Monotonic when);
  void forget_status(Entry& entry);
  [[nodiscard]] bool wants_status(const Entry& entry) const;
  void plan_status(Entry& entry, Now now);
  void stage_due(Now now);
  void drop_stale_dues();
  [[nodiscard]] bool may_stage() const;

  // Notices to senders (book_notices.cpp).
  void note_outcome(Entry& entry, const OutcomeEvents& events, Now now);
  void cut_notices(Entry& entry, Now now);
  void cut_due_notices(Now now);
  void drop_stale_rounds();
  void finish_notices(const Publication& publication, Now now);

  // Publications.
  void publish_by(Monotonic when);
  [[nodiscard]] bool staged_is_ready() const;
  std::unique_ptr<LedgerJob> next_publication(Now now);
  std::unique_ptr<Publication> gather_publication(Now now);
  [[nodiscard]] std::optional<Monotonic> publication_due() const;
  void finish_publication(PublishJob& job, Now now);
  void close(const Publication::Leaving& leaving);

  std::unique_ptr<LedgerJob> next_tidy(Now now);
  void judge_health();

  Disk& disk_;
  Ids& ids_;
  std::shared_ptr<const LedgerConfig> config_;
  std::shared_ptr<CommitFiles> files_;
  NumberTable<Entry> entries_;
  std::unordered_map<std::uint64_t, DropProblem> condemned_;
  OutcomeShelf shelf_;

  std::uint64_t next_event_ = 1;
  std::uint64_t next_message_ = 1;
  SegmentUse segments_;
  std::uint64_t segment_ = 0;       // to which the next commit goes
  std::uint64_t segment_bytes_ = 0; // in it
  bool segment_open_ = false;
  std::size_t carry_above_ =
      usual_segments;                 // so many segments may lie about before old states are written anew
  std::size_t carried_bytes_ = 0;     // out of the oldest segment, so far
  std::uint64_t carried_segment_ = 0; // which that is
  std::uint64_t carry_from_ = 0;      // the messages before this one were looked at

  // What the last run knew is written anew, some with each commit; then its segments may go.
  std::size_t unstated_ = 0;
  std::uint64_t restated_ = 0; // the last batch with the state of one of them
  std::uint64_t restate_from_ = 0;
  std::size_t recovered_pins_ = 0; // messages that are unstored, and the first batch
  bool keep_recovered_ = false;    // a file could not be read: its outcomes are only there

  std::unique_ptr<Batch> pending_;
  std::optional<Monotonic> commit_due_;
  std::unique_ptr<Batch> failed_batch_; // to be tried again
  bool commit_running_ = false;
  std::uint64_t committed_ = 0; // the last batch that is durable

  std::vector<Due> dues_; // a heap, the earliest on top
  std::size_t statuses_due_ = 0;
  std::vector<Staged> staged_;
  std::vector<std::uint64_t> finals_;
  std::optional<Monotonic> publish_due_;
  std::unique_ptr<Publication> failed_publication_;
  bool publish_running_ = false;

  OwedNotices notices_;
  std::deque<Due> rounds_;       // when what waits of a message is told of at the latest; ascending
  bool notices_leaving_ = false; // some are in the publication under way
  std::vector<std::string> dropped_;

  std::optional<Monotonic> last_finish_; // of a job
  std::optional<Monotonic> tidy_due_;
  bool tidy_running_ = false;

  std::optional<Failure> commit_failure_, publish_failure_;
  std::optional<Monotonic> retry_commit_, retry_publish_;
  LedgerHealth health_;
  bool hurry_ = false;
  std::vector<std::uint64_t> closed_;
};

} // namespace bulkmail::spool
