#include "spool/journal/reader.h"

#include "spool/journal/writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

namespace bulkmail::spool {
namespace {

Result<std::string> read_whole(Disk& disk, const std::string& path) {
  auto file = disk.open_read(path);
  if (!file) return std::unexpected(file.error());
  const auto info = (*file)->info();
  if (!info) return std::unexpected(info.error());
  std::string bytes(info->size, '\0');
  const auto got = (*file)->read_at(0, bytes);
  if (!got) return std::unexpected(got.error());
  bytes.resize(*got);
  return bytes;
}

Error unusable(std::uint64_t number, std::string_view why) {
  return {EBADMSG, fmt::format("{}: {}; nothing was changed", segment_path(number), why)};
}

} // namespace

Result<JournalContents> read_journal(Disk& disk) {
  const auto names = disk.list("journal");
  if (!names) return std::unexpected(names.error());
  std::vector<std::uint64_t> numbers;
  for (const std::string& name : *names)
    if (const auto number = segment_number(name)) numbers.push_back(*number);
  std::sort(numbers.begin(), numbers.end());

  JournalContents journal;
  for (const std::uint64_t number : numbers) {
    const auto bytes = read_whole(disk, segment_path(number));
    if (!bytes) return std::unexpected(bytes.error());
    SegmentContents segment = decode_segment(*bytes);
    if (segment.damaged) return std::unexpected(unusable(number, segment.problem));
    if (segment.valid == 0) segment.header.number = number; // torn while it was begun: it holds nothing
    if (segment.header.number != number)
      return std::unexpected(
          unusable(number, fmt::format("it says that it is segment {}", segment.header.number)));
    if (!journal.segments.empty() && segment.valid != 0) {
      const SegmentContents& before = journal.segments.back();
      if (before.header.number + 1 == number && before.valid < segment.header.previous_length)
        return std::unexpected(
            unusable(before.header.number, fmt::format("good up to {}, but once it was up to {}",
                                                       before.valid, segment.header.previous_length)));
    }
    if (!segment.problem.empty())
      journal.warnings.push_back(fmt::format("{}: {}", segment_path(number), segment.problem));
    journal.segments.push_back(std::move(segment));
  }
  return journal;
}

} // namespace bulkmail::spool
