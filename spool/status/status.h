// The status file of a message or of a refused drop, status/<id>.json: what it says and how it gets there
// whole.
#pragma once

#include "spool/disk.h"
#include "spool/drop/format.h"
#include "spool/ledger_config.h"
#include "spool/message.h"

#include <string>
#include <string_view>

namespace bulkmail::spool {

// UTF-8, one line, ends in a newline. Never throws on any bytes.
[[nodiscard]] std::string render_status(const Snapshot& snapshot, const LedgerConfig& config);

// The status of a refused drop, or (not final) of one that waits for something.
[[nodiscard]] std::string render_refusal(const std::string& id, const std::string& name,
                                         const DropProblem& problem, bool final,
                                         const std::string& reporting_mta, const Digest* digest, Wall now);

// The final status of a message that was condemned after its claim: the problem, and the recipients that had
// a final action before.
[[nodiscard]] std::string render_condemned(const Snapshot& snapshot, const DropProblem& problem,
                                           const LedgerConfig& config);

[[nodiscard]] std::string status_path(std::string_view id); // "status/<id>.json"

// Puts status/<id>.json in place: a reader sees the old one or the new one, whole. Nothing is synced. One
// writer an id.
[[nodiscard]] Result<void> write_status_file(Disk& disk, std::string_view id, std::string_view json);

// What the head of a status file tells, without reading all of it.
struct StatusHead {
  std::uint32_t serial = 0;
  bool final = false;
  std::string digest; // as to_string(Digest) has it; empty: none
};

// An error if there is none.
[[nodiscard]] Result<StatusHead> read_status_head(Disk& disk, std::string_view id);

} // namespace bulkmail::spool
