// Puts a notice into the spool's own new/, where it is mail like any other. Blocking.
//
//   compose_notice() each; one sync of the disk; publish_notice() each
//
// Not before that sync: what stands in new/ must be whole, also after a power cut.
#pragma once

#include "spool/disk.h"
#include "spool/notice/notice.h"

#include <string>

namespace bulkmail::spool {

[[nodiscard]] Result<void> compose_notice(Disk& disk, const Notice& notice, const std::string& hostname);

// Once more, by a start that doesn't know of the first time: nothing comes of it while that drop is in the queue or its
// status stands.
[[nodiscard]] Result<void> publish_notice(Disk& disk, const Notice& notice);

} // namespace bulkmail::spool
