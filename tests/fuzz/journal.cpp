// Any bytes as a journal segment: the reader stays in its bounds and what it calls good is a prefix. And any payload in a
// frame with the right CRC, which chance would never find: what is read from it comes back when it is written again.
#include "spool/journal/journal.h"

#include "spool/journal/bytes.h"
#include "spool/journal/crc32c.h"
#include "spool/journal/record.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

using namespace bulkmail::spool;

namespace {

void must(bool condition) {
  if (!condition) std::abort();
}

void read_segment(std::string_view bytes) {
  const SegmentContents read = decode_segment(bytes);
  must(read.valid <= bytes.size());
  must(read.problem.empty() || read.damaged || read.valid < bytes.size() || bytes.empty());
  if (read.header.version != journal_version) return;
  const SegmentContents good = decode_segment(bytes.substr(0, read.valid));
  must(read.valid == 0 || good.problem.empty());
  must(good.records == read.records);
}

std::string framed(RecordType type, std::string_view payload) {
  std::string type_and_length(1, static_cast<char>(type));
  put_word(type_and_length, static_cast<std::uint32_t>(payload.size()));
  std::string frame = record_marker + type_and_length;
  put_word(frame, crc32c(payload, crc32c(type_and_length)));
  frame += payload;
  return frame;
}

void read_payload(RecordType type, std::string_view payload) {
  const std::string bytes = framed(type, payload);
  const auto frame = read_frame(bytes);
  must(frame && frame->payload == payload);
  const auto record = decode_record(*frame);
  if (!record) return;
  std::string again;
  encode(*record, again);
  const auto second = read_frame(again);
  must(second && decode_record(*second) == record);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] == 0)
    read_segment(bytes);
  else
    read_payload(static_cast<RecordType>(data[0]), bytes);
  return 0;
}
