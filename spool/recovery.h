// Reads the spool after a start, whatever ended the run before: the journal, cur/, new/ and the end of the
// results stream (docs/spool-format.md, table of states). It decides what each file is; what must be written
// again the ledger writes.
#pragma once

#include "spool/disk.h"
#include "spool/drop/claim.h"
#include "spool/message.h"
#include "spool/notice/owed.h"
#include "spool/status/results.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace bulkmail::spool {

struct RecoveredMessage {
  std::unique_ptr<Message> message; // its outcomes applied; a condemned one has no recipients
  std::optional<DropProblem> condemned;
  std::optional<RefusedRecord> condemnation; // as the journal has it already
  std::vector<RecoveredNotice> notices;            // by serial
  bool has_status = false;
  bool journalled = false; // the journal has its `begin`
};

struct RecoveredSpool {
  std::vector<RecoveredMessage> messages;
  std::vector<std::uint64_t> segments;   // that exist, ascending
  std::uint64_t last_segment_length = 0; // how far the last of them is good
  std::uint64_t next_event = 1;
  std::uint64_t next_message = 1;
  std::uint64_t results_length = 0;   // how far results/current.ndjson is good
  std::vector<ResultsEvents> missing; // from the results stream, in order
  // A file in cur/ can't be read now: the segments must stay, since its outcomes are only there.
  bool keep_segments = false;
  std::vector<std::string> warnings;
};

// Blocking. Makes the spool's folders. An error: the spool is unusable, and nothing else was changed.
// `expire`: of a message that the journal doesn't know. Takes the ids of all messages found.
[[nodiscard]] Result<RecoveredSpool> recover_spool(Disk& disk, Ids& ids, milliseconds expire, Wall now);

} // namespace bulkmail::spool
