// Removes final status files and rotated results that were kept long enough, and what dead writers left in tmp/. Seldom, and off the loop: it looks at every
// file in these folders.
#pragma once

#include "spool/disk.h"
#include "spool/drop/claim.h"
#include "spool/ledger.h"

#include <memory>

namespace bulkmail::spool {

class TidyJob final : public LedgerJob {
 public:
  TidyJob(Disk& disk, const Ids& ids, std::shared_ptr<const LedgerConfig> config, Wall now)
      : disk_(disk),
        ids_(ids),
        config_(std::move(config)),
        now_(now) {}

  // What can't be looked at or removed now is left for the next time.
  void run() override;

 private:
  [[nodiscard]] bool older_than(const std::string& path, milliseconds keep);
  Disk& disk_;
  const Ids& ids_;
  std::shared_ptr<const LedgerConfig> config_;
  Wall now_;
};

} // namespace bulkmail::spool
