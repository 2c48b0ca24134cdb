#include "spool/journal/bytes.h"
#include "spool/journal/crc32c.h"
#include "spool/journal/journal.h"
#include "spool/journal/record.h"

#include <fmt/format.h>

#include <algorithm>

namespace bulkmail::spool {
namespace {

constexpr std::string_view magic = "BULKMAIL";
constexpr std::size_t header_size = 8 + 4 + 4 * 8 + 4; // magic, version, four numbers, CRC
// The least that a disk writes at once, whatever it says: what was never written reads as zeros in such
// units.
constexpr std::size_t sector_size = 512;

std::optional<SegmentHeader> read_header(std::string_view bytes) {
  ByteReader in(bytes);
  if (in.bytes(magic.size()) != magic) return std::nullopt;
  SegmentHeader header;
  header.version = in.word<std::uint32_t>();
  header.number = in.word<std::uint64_t>();
  header.next_event = in.word<std::uint64_t>();
  header.next_message = in.word<std::uint64_t>();
  header.previous_length = in.word<std::uint64_t>();
  const auto crc = in.word<std::uint32_t>();
  if (!in.ok() || header.version == 0) return std::nullopt;
  // Another version's header may go on differently; its number alone is sure.
  if (header.version == journal_version && crc32c(bytes.substr(0, header_size - 4)) != crc)
    return std::nullopt;
  return header;
}

// Where the next good record behind `bad` begins; npos: nowhere.
std::size_t next_good_record(std::string_view bytes, std::size_t bad) {
  for (std::size_t at = bytes.find(record_marker, bad + 1); at != std::string_view::npos;
       at = bytes.find(record_marker, at + 1))
    if (read_frame(bytes.substr(at))) return at;
  return std::string_view::npos;
}

// Did a sector between `bad` and `good` never reach the disk? Of the first, only what the commit itself wrote
// counts.
bool sector_is_missing(std::string_view bytes, std::size_t commit, std::size_t bad, std::size_t good) {
  for (std::size_t sector = bad / sector_size * sector_size; sector + sector_size <= good;
       sector += sector_size) {
    const std::size_t from = std::max(sector, commit);
    const std::string_view written = bytes.substr(from, sector + sector_size - from);
    if (written.find_first_not_of('\0') == std::string_view::npos) return true;
  }
  return false;
}

// `commit`: where the last good commit record begins, or the end of the header.
void judge_bad_place(std::string_view bytes, std::size_t commit, SegmentContents& contents) {
  const std::size_t bad = contents.valid;
  std::string commit_record;
  encode_commit(commit_record);
  const std::size_t later_commit = bytes.find(commit_record, bad);
  const std::size_t good = next_good_record(bytes, bad);
  if (later_commit != std::string_view::npos) {
    contents.damaged = true;
    contents.problem =
        fmt::format("the bytes at {} are no record, but a later commit stands at {}", bad, later_commit);
  } else if (good != std::string_view::npos && !sector_is_missing(bytes, commit, bad, good)) {
    contents.damaged = true;
    contents.problem =
        fmt::format("the bytes at {} are no record, but one stands behind them at {}", bad, good);
  } else {
    contents.problem = fmt::format("torn: {} bytes behind {} are no whole record", bytes.size() - bad, bad);
  }
}

} // namespace

void encode(const SegmentHeader& header, std::string& out) {
  const std::size_t start = out.size();
  out += magic;
  put_word(out, header.version);
  put_word(out, header.number);
  put_word(out, header.next_event);
  put_word(out, header.next_message);
  put_word(out, header.previous_length);
  put_word(out, crc32c(std::string_view(out).substr(start)));
}

SegmentContents decode_segment(std::string_view bytes) {
  SegmentContents contents;
  const auto header = read_header(bytes);
  if (!header) {
    judge_bad_place(bytes, 0, contents);
    return contents;
  }
  contents.header = *header;
  if (header->version != journal_version) {
    contents.damaged = true;
    contents.problem = fmt::format("the journal is of version {}; this program reads version {}",
                                   header->version, journal_version);
    return contents;
  }
  contents.valid = header_size;
  std::size_t commit = header_size;
  while (contents.valid < bytes.size()) {
    const auto frame = read_frame(bytes.substr(contents.valid));
    if (!frame) {
      judge_bad_place(bytes, commit, contents);
      return contents;
    }
    if (frame->type == RecordType::commit) {
      commit = contents.valid;
    } else if (auto record = decode_record(*frame)) {
      contents.records.push_back(std::move(*record));
    } else {
      contents.damaged = true;
      contents.problem = fmt::format("the record at {} is whole but says nothing known", contents.valid);
      return contents;
    }
    contents.valid += frame->size;
  }
  return contents;
}

} // namespace bulkmail::spool
