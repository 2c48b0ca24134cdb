#include "spool/journal/record.h"

#include "spool/journal/bytes.h"
#include "spool/journal/crc32c.h"

#include <algorithm>
#include <limits>

namespace bulkmail::spool {
namespace {

constexpr std::size_t frame_head = 1 + 1 + 4 + 4; // marker, type, length, CRC
constexpr std::string_view commit_payload = "commit";

std::uint32_t frame_crc(std::string_view type_and_length, std::string_view payload) {
  return crc32c(payload, crc32c(type_and_length));
}

// Frames what `write_payload` appends.
template <class WritePayload>
void put_frame(std::string& out, RecordType type, WritePayload write_payload) {
  const std::size_t start = out.size();
  out += record_marker;
  out += static_cast<char>(type);
  out.append(frame_head - 2, '\0');
  write_payload();
  const std::size_t length = out.size() - start - frame_head;
  std::string words;
  put_word(words, static_cast<std::uint32_t>(length));
  out.replace(start + 2, 4, words);
  const std::string_view frame = std::string_view(out).substr(start);
  const std::uint32_t crc = frame_crc(frame.substr(1, 5), frame.substr(frame_head));
  words.clear();
  put_word(words, crc);
  out.replace(start + 6, 4, words);
}

void put_wall(std::string& out, Wall when) { put_signed(out, when.time_since_epoch().count()); }

Wall read_wall(ByteReader& in) { return Wall(milliseconds(in.signed_number())); }

void put_date(std::string& out, const std::optional<Wall>& when) {
  out += when ? '\1' : '\0';
  if (when) put_wall(out, *when);
}

std::optional<Wall> read_date(ByteReader& in) {
  if (in.word<std::uint8_t>() == 0) return std::nullopt;
  return read_wall(in);
}

void put_recipients(std::string& out, const std::vector<std::uint32_t>& recipients) {
  put_number(out, recipients.size());
  std::uint32_t before = 0;
  for (const std::uint32_t index : recipients) {
    put_number(out, index - before);
    before = index;
  }
}

std::vector<std::uint32_t> read_recipients(ByteReader& in) {
  const std::uint64_t count = in.number();
  if (count > in.left()) in.fail(); // each takes an octet at least
  std::vector<std::uint32_t> recipients;
  if (!in.ok()) return recipients;
  recipients.reserve(count);
  std::uint32_t index = 0;
  for (std::uint64_t n = 0; n < count && in.ok(); ++n) {
    const std::uint64_t step = in.number();
    if (step > std::numeric_limits<std::uint32_t>::max() - index) in.fail();
    index += static_cast<std::uint32_t>(step);
    recipients.push_back(index);
  }
  return recipients;
}

void put_tls(std::string& out, const std::optional<TlsInfo>& tls) {
  out += tls ? '\1' : '\0';
  if (!tls) return;
  put_string(out, tls->version);
  put_string(out, tls->cipher);
  put_string(out, tls->policy);
  out += tls->verified ? '\1' : '\0';
}

std::optional<TlsInfo> read_tls(ByteReader& in) {
  if (in.word<std::uint8_t>() == 0) return std::nullopt;
  TlsInfo tls;
  tls.version = in.string();
  tls.cipher = in.string();
  tls.policy = in.string();
  tls.verified = in.word<std::uint8_t>() != 0;
  return tls;
}

void put_outcome(std::string& out, const Outcome& outcome) {
  out += static_cast<char>(outcome.action);
  out += static_cast<char>(outcome.source);
  out += static_cast<char>((outcome.indeterminate ? 1 : 0) | (outcome.attempted ? 2 : 0) |
                           (outcome.dsn_taken_over ? 4 : 0));
  put_string(out, outcome.status);
  put_string(out, outcome.diagnostic_code);
  put_string(out, outcome.remote_mta);
  put_string(out, outcome.remote_address);
  put_number(out, outcome.remote_port);
  put_tls(out, outcome.tls);
  put_date(out, outcome.last_attempt_date);
  put_date(out, outcome.next_attempt_date);
  put_date(out, outcome.will_retry_until);
}

Outcome read_outcome(ByteReader& in) {
  Outcome outcome;
  const auto action = in.word<std::uint8_t>(), source = in.word<std::uint8_t>(),
             flags = in.word<std::uint8_t>();
  if (action > static_cast<std::uint8_t>(Action::delayed) ||
      source > static_cast<std::uint8_t>(Source::expired))
    in.fail();
  outcome.action = static_cast<Action>(action);
  outcome.source = static_cast<Source>(source);
  outcome.indeterminate = (flags & 1) != 0;
  outcome.attempted = (flags & 2) != 0;
  outcome.dsn_taken_over = (flags & 4) != 0;
  outcome.status = in.string();
  outcome.diagnostic_code = in.string();
  outcome.remote_mta = in.string();
  outcome.remote_address = in.string();
  outcome.remote_port = static_cast<std::uint16_t>(in.number());
  outcome.tls = read_tls(in);
  outcome.last_attempt_date = read_date(in);
  outcome.next_attempt_date = read_date(in);
  outcome.will_retry_until = read_date(in);
  return outcome;
}

void put(std::string& out, const BeginRecord& record) {
  put_frame(out, RecordType::begin, [&] {
    put_number(out, record.message);
    put_string(out, record.id);
    put_string(out, record.name);
    out.append(reinterpret_cast<const char*>(record.digest.data()), record.digest.size());
    put_number(out, record.stamp.inode);
    put_signed(out, record.stamp.mtime_ns);
    put_number(out, record.stamp.size);
    put_wall(out, record.arrival_date);
    put_wall(out, record.expires);
  });
}

BeginRecord read_begin(ByteReader& in) {
  BeginRecord record;
  record.message = in.number();
  record.id = in.string();
  record.name = in.string();
  const std::string_view digest = in.bytes(record.digest.size());
  std::copy(digest.begin(), digest.end(), record.digest.begin());
  record.stamp.inode = in.number();
  record.stamp.mtime_ns = in.signed_number();
  record.stamp.size = in.number();
  record.arrival_date = read_wall(in);
  record.expires = read_wall(in);
  return record;
}

void put(std::string& out, const OutcomeRecord& record) {
  put_frame(out, RecordType::outcome, [&] {
    put_number(out, record.message);
    put_number(out, record.first_event);
    put_wall(out, record.time);
    put_recipients(out, record.recipients);
    put_outcome(out, record.outcome);
  });
}

OutcomeRecord read_outcome_record(ByteReader& in) {
  OutcomeRecord record;
  record.message = in.number();
  record.first_event = in.number();
  record.time = read_wall(in);
  record.recipients = read_recipients(in);
  record.outcome = read_outcome(in);
  return record;
}

void put(std::string& out, const KeptRecord& record) {
  put_frame(out, RecordType::kept, [&] {
    put_number(out, record.message);
    put_number(out, record.attempts);
    put_recipients(out, record.recipients);
    put_outcome(out, record.outcome);
  });
}

KeptRecord read_kept(ByteReader& in) {
  KeptRecord record;
  record.message = in.number();
  record.attempts = static_cast<std::uint16_t>(in.number());
  record.recipients = read_recipients(in);
  record.outcome = read_outcome(in);
  return record;
}

void put(std::string& out, const RefusedRecord& record) {
  put_frame(out, RecordType::refused, [&] {
    put_number(out, record.message);
    put_number(out, record.first_event);
    put_wall(out, record.time);
    put_string(out, record.id);
    put_string(out, record.name);
    put_string(out, record.code);
    put_string(out, record.text);
    put_number(out, record.line);
  });
}

RefusedRecord read_refused(ByteReader& in) {
  RefusedRecord record;
  record.message = in.number();
  record.first_event = in.number();
  record.time = read_wall(in);
  record.id = in.string();
  record.name = in.string();
  record.code = in.string();
  record.text = in.string();
  record.line = in.number();
  return record;
}

void put(std::string& out, const NoticeRecord& record) {
  put_frame(out, RecordType::notice, [&] {
    put_number(out, record.message);
    put_number(out, record.serial);
    out += static_cast<char>(record.kind);
    out += record.published ? '\1' : '\0';
    put_wall(out, record.time);
    put_recipients(out, record.recipients);
  });
}

NoticeRecord read_notice(ByteReader& in) {
  NoticeRecord record;
  record.message = in.number();
  record.serial = static_cast<std::uint32_t>(in.number());
  const auto kind = in.word<std::uint8_t>();
  if (kind > static_cast<std::uint8_t>(NoticeKind::success)) in.fail();
  record.kind = static_cast<NoticeKind>(kind);
  record.published = in.word<std::uint8_t>() != 0;
  record.time = read_wall(in);
  record.recipients = read_recipients(in);
  return record;
}

} // namespace

void encode(const JournalRecord& record, std::string& out) {
  std::visit([&out](const auto& kind) { put(out, kind); }, record);
}

void encode_commit(std::string& out) {
  put_frame(out, RecordType::commit, [&] { out += commit_payload; });
}

std::optional<Frame> read_frame(std::string_view bytes) {
  if (bytes.size() < frame_head || bytes.front() != record_marker) return std::nullopt;
  ByteReader head(bytes.substr(1, frame_head - 1));
  Frame frame;
  frame.type = static_cast<RecordType>(head.word<std::uint8_t>());
  const auto length = head.word<std::uint32_t>();
  const auto crc = head.word<std::uint32_t>();
  if (length > bytes.size() - frame_head) return std::nullopt;
  frame.payload = bytes.substr(frame_head, length);
  frame.size = frame_head + length;
  if (frame_crc(bytes.substr(1, 5), frame.payload) != crc) return std::nullopt;
  return frame;
}

std::optional<JournalRecord> decode_record(const Frame& frame) {
  ByteReader in(frame.payload);
  const auto whole = [&in](auto record) -> std::optional<JournalRecord> {
    if (!in.done()) return std::nullopt;
    return JournalRecord(std::move(record));
  };
  switch (frame.type) {
  case RecordType::begin: return whole(read_begin(in));
  case RecordType::outcome: return whole(read_outcome_record(in));
  case RecordType::kept: return whole(read_kept(in));
  case RecordType::refused: return whole(read_refused(in));
  case RecordType::notice: return whole(read_notice(in));
  case RecordType::commit: break; // carries nothing; the segment's reader knows it
  }
  return std::nullopt;
}

} // namespace bulkmail::spool
