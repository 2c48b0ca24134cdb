// The agent's own record of outcomes, in segments under journal/: the truth after a crash (docs/spool-format.md).
//
// Two record kinds: `begin` ties a message number to its id, stamp, digest and dates; `outcome` says what became of which
// of its recipients. Each record has a length and a CRC-32C; a segment has a version, its number and the next event
// sequence number. Group commit: append() only fills a buffer; commit() writes and syncs it, and may block.
// Torn tail: cut at the last valid record. Damage before valid records, or another version: an error, nothing touched.
#pragma once

#include "spool/disk.h"
#include "spool/message.h"

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace bulkmail::spool {

struct BeginRecord {
  std::uint64_t message = 0;
  std::string id;
  std::string name;
  Digest digest{};
  Stamp stamp;
  Wall arrival_date;
  Wall expires;

  bool operator==(const BeginRecord&) const = default;
};

struct OutcomeRecord {
  std::uint64_t message = 0;
  std::uint64_t first_event = 0; // event sequence number of recipients[0]; the others follow
  std::vector<std::uint32_t> recipients;
  Outcome outcome;

  bool operator==(const OutcomeRecord&) const = default;
};

// A drop was refused: an event in results/, nothing to recover.
struct RefusedRecord {
  std::uint64_t first_event = 0;
  std::string id, name, code, text;
  Wall time;

  bool operator==(const RefusedRecord&) const = default;
};

using JournalRecord = std::variant<BeginRecord, OutcomeRecord, RefusedRecord>;

void encode(const JournalRecord& record, std::string& out); // appends the framed record

// Reads one segment's bytes. `valid` is how far they are good; `damaged`: good records stand behind a bad one.
struct SegmentContents {
  std::uint32_t version = 0;
  std::uint64_t number = 0;
  std::uint64_t next_event = 0;   // as the header has it
  std::uint64_t next_message = 0; // as the header has it
  std::vector<JournalRecord> records;
  std::size_t valid = 0;
  bool damaged = false;
  std::string problem; // why the rest isn't good, or why nothing is; empty: all good
};
[[nodiscard]] SegmentContents decode_segment(std::string_view bytes);

} // namespace bulkmail::spool
