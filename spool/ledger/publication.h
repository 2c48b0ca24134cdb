// One round of telling: status files by rename, notices into new/, one sync, then what is final leaves cur/ and what the journal no more
// needs is removed.
#pragma once

#include "spool/disk.h"
#include "spool/failure.h"
#include "spool/ledger.h"
#include "spool/notice/notice.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace bulkmail::spool {

// What is to be done, and how far it got; kept over a failure and gone on with.
struct Publication {
  struct Status {
    Snapshot snapshot;
    std::optional<DropProblem> condemned;
  };

  struct Leaving {
    std::uint64_t number = 0;
    std::string id;
    bool condemned = false; // to bad/, else it is removed
  };

  std::vector<Status> statuses;
  std::vector<Notice> notices; // to senders, dropped into new/
  std::vector<Leaving> leaving;
  std::vector<std::uint64_t> segments; // to remove
  std::shared_ptr<const LedgerConfig> config;
  bool needs_sync = false; // before anything leaves or is removed

  std::size_t statuses_written = 0;
  std::size_t notices_composed = 0;
  bool notices_synced = false;
  std::size_t notices_published = 0;
  bool synced = false;
  std::size_t left = 0;
  std::size_t segments_removed = 0;
};

class PublishJob final : public LedgerJob {
 public:
  PublishJob(Disk& disk, std::unique_ptr<Publication> gathered)
      : publication(std::move(gathered)),
        disk_(disk) {}

  void run() override { done = publish(); }

  std::unique_ptr<Publication> publication;
  Attempted done;

 private:
  [[nodiscard]] Attempted publish();
  [[nodiscard]] Attempted drop_notices();
  [[nodiscard]] Result<void> write_status(const Publication::Status& status);
  [[nodiscard]] Result<void> take_out(const Publication::Leaving& leaving);
  Disk& disk_;
};

} // namespace bulkmail::spool
