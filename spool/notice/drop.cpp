#include "spool/notice/drop.h"

#include <cerrno>

namespace bulkmail::spool {
namespace {

constexpr unsigned drop_mode = 0660;

std::string composed_path(const Notice& notice) {
  return "tmp/" + notice_id(notice.facts->number, notice.serial);
}

} // namespace

Result<void> compose_notice(Disk& disk, const Notice& notice, const std::string& hostname) {
  auto returned = read_returned(disk, *notice.facts, notice.kind);
  if (!returned && returned.error().code != ENOENT) return std::unexpected(returned.error());
  if (!returned) returned = Returned{}; // somebody took the file away: what became of it can still be told

  const std::string path = composed_path(notice);
  auto file = disk.create(path, drop_mode);
  if (!file && file.error().code == EEXIST) { // left by a crash or a full disk
    if (auto removed = disk.remove(path); !removed) return removed;
    file = disk.create(path, drop_mode);
  }
  if (!file) return std::unexpected(file.error());
  return (*file)->append(render_notice(notice, *returned, hostname));
}

Result<void> publish_notice(Disk& disk, const Notice& notice) {
  const std::string path = composed_path(notice);
  auto published = disk.rename_new(path, "new/" + notice_id(notice.facts->number, notice.serial));
  if (!published && published.error().code == EEXIST) return disk.remove(path); // there already, and the same
  return published;
}

} // namespace bulkmail::spool
