#include "spool/journal/journal.h"

#include "spool/journal/crc32c.h"
#include "spool/journal/reader.h"
#include "spool/journal/writer.h"
#include "tests/simulation/memory_disk.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cerrno>

using namespace bulkmail;
using namespace bulkmail::spool;
using simulation::MemoryDisk;
using Operation = MemoryDisk::Operation;

namespace {

BeginRecord begin_record() {
  BeginRecord begin{
      7, "news-0001~2", "news-0001", {}, {11, -5, 8192}, Wall(milliseconds(1)), Wall(milliseconds(-1))};
  begin.digest[3] = 0xFA;
  return begin;
}

OutcomeRecord outcome_record(std::uint64_t event = 4) {
  OutcomeRecord record{7, event, Wall(milliseconds(99)), {0, 1, 5, 4'000'000'000}, {}};
  record.outcome.action = Action::delayed;
  record.outcome.source = Source::tls;
  record.outcome.indeterminate = true;
  record.outcome.attempted = false;
  record.outcome.status = "4.7.5";
  record.outcome.diagnostic_code = "smtp; 454 \xC3\xA9 later";
  record.outcome.remote_mta = "mx1.d1.example";
  record.outcome.remote_address = "2001:db8::1";
  record.outcome.remote_port = 587;
  record.outcome.tls = TlsInfo{"TLSv1.3", "TLS_AES_256_GCM_SHA384", "dane", true};
  record.outcome.last_attempt_date = Wall(milliseconds(5));
  record.outcome.next_attempt_date = Wall(milliseconds(6));
  return record;
}

std::vector<JournalRecord> some_records() {
  return {begin_record(), outcome_record(), KeptRecord{7, 3, {2, 9}, outcome_record().outcome},
          RefusedRecord{0, 8, Wall(milliseconds(3)), "bad", "b\nad", "truncated", "no final dot", 17}};
}

std::string header_bytes(std::uint64_t number = 1) {
  std::string bytes;
  encode(SegmentHeader{journal_version, number, 4, 7, 0}, bytes);
  return bytes;
}

std::string commit_of(const std::vector<JournalRecord>& records) {
  std::string bytes;
  encode_commit(bytes);
  for (const JournalRecord& record : records) encode(record, bytes);
  return bytes;
}

} // namespace

TEST_CASE("CRC-32C is the one of RFC 3720, by table and by processor") {
  CHECK(crc32c("123456789") == 0xE3069283);
  CHECK(crc32c(std::string(32, '\0')) == 0x8A9136AA);
  CHECK(crc32c(std::string(32, '\xFF')) == 0x62A8AB43);
  std::string bytes;
  for (int n = 0; n < 300; ++n) {
    bytes += static_cast<char>(n * 37);
    CHECK(crc32c(bytes) == crc32c_by_table(bytes));
  }
  CHECK(crc32c("6789", crc32c("12345")) == crc32c("123456789"));
}

TEST_CASE("records come back as they went in") {
  const SegmentContents read = decode_segment(header_bytes(3) + commit_of(some_records()) + commit_of({}));
  CHECK(read.header == SegmentHeader{journal_version, 3, 4, 7, 0});
  CHECK(read.records == some_records());
  CHECK(read.problem.empty());
  CHECK_FALSE(read.damaged);
}

TEST_CASE("a tail torn at any octet is cut behind the last whole record") {
  const std::string bytes = header_bytes() + commit_of({begin_record()}) + commit_of({outcome_record()});
  const std::size_t first_commit = header_bytes().size() + commit_of({begin_record()}).size();
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    const SegmentContents read = decode_segment(std::string_view(bytes).substr(0, length));
    CHECK_FALSE(read.damaged);
    CHECK(read.valid <= length);
    CHECK(read.records.size() == (length >= first_commit ? 1 : 0));
    // Zeros behind it, as of a file made larger before its bytes were written, are no damage.
    CHECK_FALSE(decode_segment(bytes.substr(0, length) + std::string(1'000, '\0')).damaged);
  }
}

TEST_CASE("a flipped bit is noticed at every octet, and stops all if later commits stand behind it") {
  const std::string last = commit_of({outcome_record(9)});
  const std::string bytes =
      header_bytes() + commit_of({begin_record()}) + commit_of({outcome_record()}) + last;
  for (std::size_t at = 0; at < bytes.size(); ++at)
    for (const int bit : {0, 3, 7}) {
      std::string flipped = bytes;
      flipped[at] = static_cast<char>(flipped[at] ^ (1 << bit));
      const SegmentContents read = decode_segment(flipped);
      CHECK_FALSE(read.problem.empty());
      if (at < bytes.size() - last.size()) CHECK(read.damaged);
    }
}

TEST_CASE("a good record behind a bad one of the same commit is damage, unless a sector is missing") {
  std::vector<JournalRecord> many;
  for (std::uint64_t n = 0; n < 40; ++n) many.push_back(outcome_record(n));
  const std::string bytes = header_bytes() + commit_of(many);

  std::string flipped = bytes;
  flipped[700] = static_cast<char>(flipped[700] ^ 1);
  CHECK(decode_segment(flipped).damaged);

  std::string missing = bytes;
  std::fill_n(missing.begin() + 512, 512, '\0');
  const SegmentContents read = decode_segment(missing);
  CHECK_FALSE(read.damaged);
  CHECK(read.valid < 1'024);
  CHECK_FALSE(read.problem.empty());

  // With a later commit behind it, it was synced once.
  CHECK(decode_segment(missing + commit_of({})).damaged);

  std::string first_missing = bytes;
  std::fill_n(first_missing.begin(), 512, '\0');
  CHECK_FALSE(decode_segment(first_missing).damaged);
  CHECK(decode_segment(first_missing).valid == 0);
}

TEST_CASE("another version is refused") {
  std::string header;
  encode(SegmentHeader{journal_version + 1, 1, 1, 1, 0}, header);
  const SegmentContents read = decode_segment(header + commit_of(some_records()));
  CHECK(read.damaged);
  CHECK(read.records.empty());
  CHECK(read.problem == "the journal is of version 2; this program reads version 1");
}

TEST_CASE("a whole record that says nothing known is damage") {
  std::string bytes = header_bytes() + commit_of({});
  std::string record;
  encode(begin_record(), record);
  record[1] = 99; // type
  const std::uint32_t crc = crc32c(record.substr(10), crc32c(record.substr(1, 5)));
  for (std::size_t n = 0; n < 4; ++n) record[6 + n] = static_cast<char>(crc >> (8 * n));
  CHECK(decode_segment(bytes + record).damaged);
}

TEST_CASE("the writer begins segments, and each says how far the one before is good") {
  MemoryDisk disk;
  static_cast<void>(disk.make_directory("journal", 0700));
  JournalWriter writer(disk);
  REQUIRE(writer.commit({journal_version, 1, 1, 1, 0}, commit_of({begin_record()})));
  REQUIRE(writer.commit({journal_version, 2, 1, 8, 0}, commit_of({outcome_record()})));
  const auto journal = read_journal(disk);
  REQUIRE(journal);
  REQUIRE(journal->segments.size() == 2);
  CHECK(journal->segments[1].header.previous_length == journal->segments[0].valid);
  CHECK(journal->segments[1].header.next_message == 8);

  SECTION("a segment that has become shorter since is damage") {
    const std::string bytes = *disk.contents("journal/segment-000000000001");
    disk.put("journal/segment-000000000001", bytes.substr(0, bytes.size() - 1));
    REQUIRE_FALSE(read_journal(disk));
    CHECK(read_journal(disk).error().text.find("nothing was changed") != std::string::npos);
  }
  SECTION("a segment under another's name is damage") {
    disk.put("journal/segment-000000000003", *disk.contents("journal/segment-000000000001"));
    CHECK_FALSE(read_journal(disk));
  }
  SECTION("other names are none of the journal's business") {
    disk.put("journal/segment-1.bak", "x");
    disk.put("journal/notes", "x");
    CHECK(read_journal(disk)->segments.size() == 2);
  }
}

TEST_CASE("what a failed append left is cut before the next try") {
  MemoryDisk disk;
  static_cast<void>(disk.make_directory("journal", 0700));
  JournalWriter writer(disk);
  const bool first_commit = GENERATE(true, false);
  std::string records;
  encode(begin_record(), records);
  if (!first_commit) REQUIRE(writer.commit({}, records));
  int failures = 3;
  disk.set_fault([&](Operation operation, std::string_view) {
    return operation == Operation::append && failures-- > 0 ? ENOSPC : 0;
  });
  for (int n = 0; n < 3; ++n) {
    const auto written = writer.commit({}, records);
    REQUIRE_FALSE(written);
    CHECK(written.error().error.code == ENOSPC);
    CHECK_FALSE(written.error().sync);
  }
  REQUIRE(writer.commit({}, records));
  const auto journal = read_journal(disk);
  REQUIRE(journal);
  CHECK(journal->segments[0].records.size() == (first_commit ? 1 : 2));
  CHECK(journal->segments[0].problem.empty());
}
