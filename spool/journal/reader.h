// Reads all of a journal and judges it as a whole.
#pragma once

#include "spool/disk.h"
#include "spool/journal/journal.h"

#include <string>
#include <vector>

namespace bulkmail::spool {

struct JournalContents {
  std::vector<SegmentContents> segments; // ascending; numbers may be missing, since finished segments go
  std::vector<std::string> warnings;     // torn tails
};

// Blocking; changes nothing. An error: damage, another version, or the disk's.
[[nodiscard]] Result<JournalContents> read_journal(Disk& disk);

} // namespace bulkmail::spool
