// One group commit: records into the journal, durably; then their events into the results stream.
#pragma once

#include "spool/failure.h"
#include "spool/journal/writer.h"
#include "spool/ledger.h"
#include "spool/status/results.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace bulkmail::spool {

// What is gathered for one commit, and how far it got. Kept over a failure, so that a second try writes nothing twice.
struct Batch {
  std::uint64_t number = 0; // batches are committed in this order
  SegmentHeader header;
  std::string records;
  std::vector<ResultsEvents> events;
  std::vector<std::uint64_t> touched; // messages with records in it, some of them more than once
  std::vector<std::uint64_t> carried; // messages whose records in older segments it makes obsolete
  bool begins_start = false;          // it has what a start must write at once
  bool journalled = false;
  std::string lines; // of events, rendered; empty again once they are appended

  [[nodiscard]] bool empty() const { return records.empty() && events.empty(); }
};

// The files that commits write to. Only one commit is under way at a time; a job shares them, so that it may outlive the
// ledger.
struct CommitFiles {
  explicit CommitFiles(Disk& disk) : journal(disk), results(disk) {}

  JournalWriter journal;
  ResultsStream results;
};

class CommitJob final : public LedgerJob {
 public:
  CommitJob(std::shared_ptr<CommitFiles> files, std::unique_ptr<Batch> gathered, std::uint64_t rotate_at,
            Wall now)
      : batch(std::move(gathered)),
        files_(std::move(files)),
        rotate_at_(rotate_at),
        now_(now) {}

  void run() override { done = write(); }

  std::unique_ptr<Batch> batch;
  Attempted done;

 private:
  [[nodiscard]] Attempted write();
  std::shared_ptr<CommitFiles> files_;
  std::uint64_t rotate_at_;
  Wall now_;
};

} // namespace bulkmail::spool
