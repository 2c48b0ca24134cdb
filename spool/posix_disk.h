// The real Disk: a spool directory on a local file system, through one directory descriptor.
#pragma once

#include "spool/disk.h"

#include <memory>
#include <string>

namespace bulkmail::spool {

// `root` must be a directory (a symbolic link to one will do: it is the administrator's). Everything this
// Disk makes belongs to that directory's owner and group as far as this process may give it away. Reads the
// process's umask, so call it before other threads make files.
[[nodiscard]] Result<std::unique_ptr<Disk>> open_posix_disk(const std::string& root);

} // namespace bulkmail::spool
