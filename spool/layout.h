// The folders of a spool and who may do what in them: made where missing, never changed where they are.
#pragma once

#include "spool/disk.h"

#include <array>
#include <string_view>

namespace bulkmail::spool {

struct Folder {
  std::string_view name;
  unsigned mode; // holds whatever the umask is
};

// Setgid, so that what members of the spool's group make belongs to the group; sticky where they make files,
// so that nobody removes another's.
inline constexpr unsigned spool_mode = 02751;
inline constexpr std::array spool_folders{
    Folder{"tmp", 03770},    Folder{"new", 03770},     Folder{"cur", 0700},     Folder{"bad", 0750},
    Folder{"status", 02770}, Folder{"results", 02750}, Folder{"journal", 0700}, Folder{"state", 0700},
};

// Makes the missing ones, durably; owner and group are the spool directory's.
[[nodiscard]] Result<void> make_spool_layout(Disk& disk);

} // namespace bulkmail::spool
