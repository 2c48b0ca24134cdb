// The three drop formats, told apart by the first line: BSMTP, nullmailer, X-Sender/X-Receiver (docs/drop-formats.md).
//
// Reads a drop through a window, never whole: an envelope of 100,000 recipients or a body of 50 MB costs one block at a
// time. It never opens, moves or judges a file; it says what the bytes are.
#pragma once

#include "spool/disk.h"
#include "spool/message.h"

#include <expected>
#include <string>
#include <variant>
#include <vector>

namespace bulkmail::spool {

// On which lines the recipients stand: one each, and one for each that was named again.
struct RecipientLines {
  std::size_t first = 0;
  std::vector<std::uint32_t> repeats; // of each repetition: how many recipients there were already

  [[nodiscard]] std::size_t of(std::size_t recipient) const;
};

// What a drop's bytes are, as far as the format goes.
struct ParsedDrop {
  Envelope envelope;
  RecipientLines lines;
  ContentPlace content;
  Digest digest{}; // of the whole file
  std::uint64_t size = 0;
  std::string message_id;
  bool eight_bit = false;
  std::string small_content; // the content's bytes as in the file, if at most `small`; else empty

  static constexpr std::uint64_t small = 64 << 10;
};

// Why a drop is no message.
struct DropProblem {
  enum class Kind : std::uint8_t {
    incomplete, // right as far as it goes: more bytes could mend it
    refused,    // no more bytes can mend it
    unreadable, // the disk answered an error
  } kind = Kind::refused;
  std::string code;     // stable word for the status file: "truncated", "unknown-verb", "bad-sender", …
  std::string text;     // what is wrong and what would be right
  std::size_t line = 0; // 1-based; 0: none
};

inline constexpr std::size_t drop_block = 64 << 10; // read at a time
// Bounds on what a writer controls. A line: the longest path and all parameters need under 2 KiB. Recipients: what a
// process can hold of them (12 bytes and the address each), and what their offsets can tell of.
inline constexpr std::size_t max_envelope_line = 64 << 10;
inline constexpr std::size_t max_recipients = 10'000'000;
inline constexpr std::uint64_t max_envelope = 1 << 30;

[[nodiscard]] std::expected<ParsedDrop, DropProblem> parse_drop(File& file, std::uint64_t file_size,
                                                                std::size_t block = drop_block);

// The same from memory, for tests, fuzzing and submit.
[[nodiscard]] std::expected<ParsedDrop, DropProblem> parse_drop(std::string_view bytes);

} // namespace bulkmail::spool
