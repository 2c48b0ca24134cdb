// Writes the journal: one commit at a time, durable when commit() comes back. Blocking.
#pragma once

#include "spool/disk.h"
#include "spool/failure.h"
#include "spool/journal/journal.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace bulkmail::spool {

[[nodiscard]] std::string segment_path(std::uint64_t number); // "journal/segment-000000000017"
// The number in such a file's name; none: no segment.
[[nodiscard]] std::optional<std::uint64_t> segment_number(std::string_view file_name);

class JournalWriter {
 public:
  explicit JournalWriter(Disk& disk) : disk_(disk) {}

  // What recovery read: the next segment's header will say how far the last one was good. Nothing more is
  // written to it.
  void resume_after(std::uint64_t number, std::uint64_t good_length);

  // Appends a commit of these records to segment `header.number`, beginning that segment if it isn't open.
  // After a failure that left no doubt (Failure::sync false) the same call may be made again: what was half
  // written is cut off first.
  [[nodiscard]] Attempted commit(SegmentHeader header, std::string_view records);

 private:
  [[nodiscard]] Attempted begin_segment(const SegmentHeader& header);
  [[nodiscard]] Attempted cut_torn_tail();

  Disk& disk_;
  std::unique_ptr<File> file_; // null: the next commit begins a segment
  std::uint64_t number_ = 0;
  std::uint64_t good_ = 0;            // how far the segment is good and synced
  std::uint64_t previous_length_ = 0; // what the open segment's header says
  bool torn_ = false;                 // something may stand behind what is good
  std::string buffer_;
};

} // namespace bulkmail::spool
