// The agent's own record of outcomes, in segments under journal/: the truth after a crash
// (docs/spool-format.md).
//
// `begin` ties a message number to its id, stamp, digest and dates; `outcome` says what became of which of
// its recipients; `kept` repeats a state so that an older segment can go; `refused` is a drop that became no
// message; `notice` is what its sender is told. Each record has a length and a CRC-32C; each commit, the records written and synced together,
// opens with a `commit` record.
//
// How a bad place is judged: a commit begins only after the one before it was synced. So a good commit record
// behind a bad place means that synced bytes were damaged: an error, nothing is touched. Without one the bad
// place is the torn tail of the last commit, cut at its last good record. The sectors of an unsynced commit
// may reach the disk in any order, so good records of the same commit may stand behind a sector that never
// did and reads as zeros; good records behind anything else are damage too.
#pragma once

#include "spool/message.h"
#include "spool/notice/policy.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace bulkmail::spool {

constexpr std::uint32_t journal_version = 1;

// `expires` is the message's as set when it was journalled. A second `begin` of a number starts it anew: what
// follows is its whole state, what stood before is obsolete.
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
  Wall time;
  std::vector<std::uint32_t> recipients; // ascending
  Outcome outcome;

  bool operator==(const OutcomeRecord&) const = default;
};

// The state that some recipients had when it was written; no event.
struct KeptRecord {
  std::uint64_t message = 0;
  std::uint16_t attempts = 0;
  std::vector<std::uint32_t> recipients; // ascending
  Outcome outcome;

  bool operator==(const KeptRecord&) const = default;
};

// A drop was refused: an event in results/. With a message's number: a claimed message was condemned.
struct RefusedRecord {
  std::uint64_t message = 0; // 0: never claimed
  std::uint64_t first_event = 0;
  Wall time;
  std::string id, name, code, text;
  std::uint64_t line = 0;

  bool operator==(const RefusedRecord&) const = default;
};

// A notice to the sender was decided on; again with `published`, and then maybe without the recipients, once its drop is
// durable. In between it is written again after a crash, the same bytes under the same name.
struct NoticeRecord {
  std::uint64_t message = 0;
  std::uint32_t serial = 0; // of this message's notices, from 1
  NoticeKind kind = NoticeKind::failure;
  bool published = false;
  Wall time;
  std::vector<std::uint32_t> recipients; // ascending

  bool operator==(const NoticeRecord&) const = default;
};

using JournalRecord = std::variant<BeginRecord, OutcomeRecord, KeptRecord, RefusedRecord, NoticeRecord>;

void encode(const JournalRecord& record, std::string& out); // appends the framed record
void encode_commit(std::string& out);                       // appends the record that opens a commit

struct SegmentHeader {
  std::uint32_t version = journal_version;
  std::uint64_t number = 0;
  std::uint64_t next_event = 1;      // no event of an earlier segment has this number or a higher one
  std::uint64_t next_message = 1;    // nor a message
  std::uint64_t previous_length = 0; // how far the segment with the number before this one is good

  bool operator==(const SegmentHeader&) const = default;
};

void encode(const SegmentHeader& header, std::string& out);

struct SegmentContents {
  SegmentHeader header;
  std::vector<JournalRecord> records;
  std::size_t valid = 0; // how far the bytes are good; 0: not even the header
  bool damaged = false;  // synced bytes are no more what they were
  std::string problem;   // why the rest isn't good, or why nothing is; empty: all good
};

// Reads one segment's bytes. Another version: `damaged`, no records.
[[nodiscard]] SegmentContents decode_segment(std::string_view bytes);

} // namespace bulkmail::spool
