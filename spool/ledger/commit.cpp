#include "spool/ledger/commit.h"

namespace bulkmail::spool {

Attempted CommitJob::write() {
  if (!batch->records.empty() && !batch->journalled) {
    if (auto written = files_->journal.commit(batch->header, batch->records); !written) return written;
  }
  batch->journalled = true;

  if (!batch->events.empty()) {
    for (const ResultsEvents& events : batch->events) render_results(events, batch->lines);
    batch->events.clear();
  }
  if (!batch->lines.empty()) {
    if (auto appended = files_->results.append(batch->lines); !appended) return appended;
    batch->lines.clear();
  }
  // A rotation that fails for want of space comes with a later commit.
  if (auto rotated = files_->results.rotate(rotate_at_, now_); !rotated && rotated.error().sync)
    return rotated;
  return {};
}

} // namespace bulkmail::spool
