// The results stream, results/current.ndjson: one line an event, in the order of `seq`, appended only once
// the journal has the event durably. What a crash loses of it, recovery appends again from the journal.
#pragma once

#include "spool/disk.h"
#include "spool/failure.h"
#include "spool/journal/journal.h"
#include "spool/message.h"

#include <memory>
#include <string>
#include <variant>
#include <vector>

namespace bulkmail::spool {

// The events of recipients answered alike: seq `first_event` for recipients[0], the others follow.
struct OutcomeEvents {
  PackedFacts facts;
  std::shared_ptr<const Outcome> outcome;
  std::uint64_t first_event = 0;
  Wall time;
  std::vector<std::uint32_t> recipients;
  std::vector<std::uint16_t> attempts; // of each, this one counted
};

using ResultsEvents = std::variant<OutcomeEvents, RefusedRecord>;

void render_results(const ResultsEvents& events, std::string& out);

// Blocking; one caller at a time.
class ResultsStream {
 public:
  static constexpr std::string_view current = "results/current.ndjson";

  explicit ResultsStream(Disk& disk) : disk_(disk) {}

  // What recovery found: current.ndjson is good so far; what stands behind is cut before the next append.
  void resume_at(std::uint64_t good_length);

  // Appends whole lines. After a failure without doubt the same call may be made again.
  [[nodiscard]] Attempted append(std::string_view lines);
  // Rotates current.ndjson away if it has at least `limit` octets. Durable before anything goes into the next
  // one.
  [[nodiscard]] Attempted rotate(std::uint64_t limit, Wall now);

 private:
  [[nodiscard]] Attempted open();

  Disk& disk_;
  std::unique_ptr<File> file_;
  std::uint64_t inode_ = 0;
  std::uint64_t good_ = 0;
  bool torn_ = false;
};

// The names of rotated files sort by age: results-20261124T080054.123Z.ndjson
[[nodiscard]] bool is_rotated_results(std::string_view file_name);

struct ResultsTail {
  std::uint64_t last_seq = 0;    // of the last good line of all; 0: there is none
  std::uint64_t good_length = 0; // of current.ndjson
};

// Reads the end of the stream back as far as the event `needed`, since which lines may be torn or missing:
// after a power cut sectors in the midst of what was not synced may read as zeros.
[[nodiscard]] Result<ResultsTail> read_results_tail(Disk& disk, std::uint64_t needed);

} // namespace bulkmail::spool
