#include "spool/journal/writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

namespace bulkmail::spool {
namespace {

constexpr std::string_view name_prefix = "segment-";
constexpr unsigned segment_mode = 0600;

} // namespace

std::string segment_path(std::uint64_t number) {
  return fmt::format("journal/{}{:012}", name_prefix, number);
}

std::optional<std::uint64_t> segment_number(std::string_view file_name) {
  if (!file_name.starts_with(name_prefix)) return std::nullopt;
  file_name.remove_prefix(name_prefix.size());
  std::uint64_t number = 0;
  const char* const end = file_name.data() + file_name.size();
  const auto read = std::from_chars(file_name.data(), end, number);
  if (read.ec != std::errc() || read.ptr != end) return std::nullopt;
  return number;
}

void JournalWriter::resume_after(std::uint64_t number, std::uint64_t good_length) {
  file_.reset();
  number_ = number;
  good_ = good_length;
}

Attempted JournalWriter::commit(SegmentHeader header, std::string_view records) {
  const bool new_segment = !file_ || number_ != header.number;
  buffer_.clear();
  if (new_segment) {
    if (auto begun = begin_segment(header); !begun) return begun;
  }
  if (auto cut = cut_torn_tail(); !cut) return cut;
  if (good_ == 0) {
    header.previous_length = previous_length_;
    encode(header, buffer_);
  }
  encode_commit(buffer_);
  buffer_ += records;
  torn_ = true; // until all of it is there
  if (auto written = step(file_->append(buffer_)); !written) return written;
  if (auto synced = sync_step(file_->sync_data()); !synced) return synced;
  if (good_ == 0) {
    if (auto synced = sync_step(disk_.sync_directory("journal")); !synced) return synced;
  }
  torn_ = false;
  good_ += buffer_.size();
  return {};
}

Attempted JournalWriter::begin_segment(const SegmentHeader& header) {
  const std::string path = segment_path(header.number);
  auto file = disk_.append_to(path, segment_mode);
  if (!file) return std::unexpected(Failure{file.error()});
  previous_length_ = header.number == number_ + 1 ? good_ : 0;
  file_ = std::move(*file);
  number_ = header.number;
  good_ = 0;
  torn_ = false;
  return {};
}

Attempted JournalWriter::cut_torn_tail() {
  if (!torn_) return {};
  auto cut = step(disk_.truncate(segment_path(number_), good_));
  if (cut) torn_ = false;
  return cut;
}

} // namespace bulkmail::spool
