#include "spool/ledger/publication.h"

#include "spool/journal/writer.h"
#include "spool/notice/drop.h"

#include <fmt/format.h>

#include <cerrno>

namespace bulkmail::spool {
namespace {

// Done before, by a run that crashed, or by hand: as well.
Result<void> unless_gone(Result<void> result) {
  if (!result && result.error().code == ENOENT) return {};
  return result;
}

} // namespace

Attempted PublishJob::publish() {
  Publication& todo = *publication;
  for (; todo.statuses_written < todo.statuses.size(); ++todo.statuses_written)
    if (auto written = step(write_status(todo.statuses[todo.statuses_written])); !written) return written;
  if (auto dropped = drop_notices(); !dropped) return dropped;
  if (todo.needs_sync && !todo.synced) {
    if (auto synced = sync_step(disk_.sync_all()); !synced) return synced;
    todo.synced = true;
  }
  for (; todo.left < todo.leaving.size(); ++todo.left)
    if (auto gone = step(take_out(todo.leaving[todo.left])); !gone) return gone;
  for (; todo.segments_removed < todo.segments.size(); ++todo.segments_removed) {
    const std::string path = segment_path(todo.segments[todo.segments_removed]);
    if (auto gone = step(unless_gone(disk_.remove(path))); !gone) return gone;
  }
  return {};
}

Attempted PublishJob::drop_notices() {
  Publication& todo = *publication;
  if (todo.notices.empty()) return {};
  const std::string& hostname = todo.config->reporting_mta;
  for (; todo.notices_composed < todo.notices.size(); ++todo.notices_composed)
    if (auto composed = step(compose_notice(disk_, todo.notices[todo.notices_composed], hostname)); !composed)
      return composed;
  if (!todo.notices_synced) {
    if (auto synced = sync_step(disk_.sync_all()); !synced) return synced;
    todo.notices_synced = true;
  }
  for (; todo.notices_published < todo.notices.size(); ++todo.notices_published)
    if (auto published = step(publish_notice(disk_, todo.notices[todo.notices_published])); !published)
      return published;
  return {};
}

Result<void> PublishJob::write_status(const Publication::Status& status) {
  const DropProblem* const condemned = status.condemned ? &*status.condemned : nullptr;
  return write_status_file(disk_, StatusText(status.snapshot, *publication->config, condemned));
}

Result<void> PublishJob::take_out(const Publication::Leaving& leaving) {
  const std::string path = "cur/" + leaving.id;
  if (!leaving.condemned) return unless_gone(disk_.remove(path));
  std::string bad = "bad/" + leaving.id;
  for (unsigned again = 1;; ++again) {
    auto moved = unless_gone(disk_.rename_new(path, bad));
    if (moved || moved.error().code != EEXIST) return moved;
    bad = fmt::format("bad/{}~{}", leaving.id, again);
  }
}

} // namespace bulkmail::spool
