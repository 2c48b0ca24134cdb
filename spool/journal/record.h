// The frame round every record of a segment: marker, type, length, CRC-32C of these two and the payload.
#pragma once

#include "spool/journal/journal.h"

#include <optional>
#include <string>
#include <string_view>

namespace bulkmail::spool {

// 0xFA never stands in UTF-8 text, so nothing a peer says can look like a record.
constexpr char record_marker = static_cast<char>(0xFA);

enum class RecordType : std::uint8_t { commit = 1, begin, outcome, kept, refused, notice };

struct Frame {
  RecordType type{};
  std::string_view payload;
  std::size_t size = 0; // of the whole frame
};

// The frame that `bytes` begin with, if it is whole and its CRC is right.
[[nodiscard]] std::optional<Frame> read_frame(std::string_view bytes);

// None: the payload is no record of this type, or of no type known.
[[nodiscard]] std::optional<JournalRecord> decode_record(const Frame& frame);

} // namespace bulkmail::spool
