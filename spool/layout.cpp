#include "spool/layout.h"

#include <cerrno>

namespace bulkmail::spool {

Result<void> make_spool_layout(Disk& disk) {
  bool made = false;
  for (const Folder& folder : spool_folders) {
    const auto found = disk.info(folder.name);
    if (found && found->kind == FileInfo::Kind::directory) continue;
    if (!found && found.error().code != ENOENT) return std::unexpected(found.error());
    if (auto done = disk.make_directory(folder.name, folder.mode); !done) return done;
    made = true;
  }
  return made ? disk.sync_directory(".") : Result<void>{};
}

} // namespace bulkmail::spool
