#include "spool/status/status.h"

#include "spool/status/json_writer.h"

#include <fmt/format.h>

#include <cerrno>
#include <charconv>
#include <optional>
#include <utility>

namespace bulkmail::spool {
namespace {

constexpr std::string_view json_suffix = ".json";
constexpr unsigned status_mode = 0640;
// Rendered at a time, however many recipients there are; a recipient's object at the end may stand over.
constexpr std::size_t chunk_size = 64 * 1024;
constexpr std::size_t usual_first_chunk = 1'536; // of one recipient: one growth of the string instead of many
// "digest" stands behind the id, the name, the sender and the message id, whose lengths are bounded (RFC 5321
// §4.5.3.1, RFC 5322 §2.1.1; six octets for each at the worst).
constexpr std::size_t head_size = 16 * 1024;

void append_forecast(JsonWriter& json, const std::optional<Forecast>& forecast) {
  json.key("forecast");
  if (forecast)
    json.begin('{').key("p50").date(forecast->p50).key("p99").date(forecast->p99).end('}');
  else
    json.null();
}

void append_counts(JsonWriter& json, const Counts& counts) {
  json.key("counts").begin('{').key("total").number(counts.total).key("relayed").number(counts.relayed);
  json.key("delivered").number(counts.delivered).key("failed").number(counts.failed);
  json.key("delayed").number(counts.delayed).key("queued").number(counts.queued).end('}');
}

// Everything of a message's status file before "counts".
void append_facts(JsonWriter& json, const Snapshot& snapshot, const MessageFacts& facts, bool final,
                  const LedgerConfig& config) {
  json.key("version").number(1).key("id").string(facts.id).key("name").string(facts.name);
  json.key("serial").number(snapshot.serial).key("final").boolean(final);
  json.key("reporting_mta").text("dns; ", config.reporting_mta);
  json.key("original_envelope_id").text("", decode_xtext(facts.envelope.envid));
  json.key("message_id").text("", facts.message_id);
  json.key("sender").string(facts.envelope.sender());
  json.key("size").number(facts.size).key("digest").string(to_string(facts.digest));
  json.key("arrival_date").date(facts.arrival_date).key("updated").date(snapshot.updated);
  json.key("expires").date(snapshot.expires);
}

void append_error(JsonWriter& json, const DropProblem& problem, std::string_view name) {
  json.key("error").begin('{').key("code").string(problem.code).key("text").string(problem.text).key("line");
  if (problem.line != 0)
    json.number(problem.line);
  else
    json.null();
  if (!name.empty()) json.key("name").string(name);
  json.end('}');
}

// The value that stands behind `key` (with its quotes and colon) in `json`, up to a comma.
std::string_view value_after(std::string_view json, std::string_view key) {
  // Inside a string a quote stands only behind a backslash, so a whole key is never part of a value.
  const std::size_t at = json.find(key);
  if (at == std::string_view::npos) return {};
  json.remove_prefix(at + key.size());
  return json.substr(0, json.find(','));
}

} // namespace

StatusText::StatusText(const Snapshot& snapshot, const LedgerConfig& config, const DropProblem* condemned)
    : snapshot_(snapshot),
      config_(config),
      condemned_(condemned),
      facts_(snapshot.facts.unpack()) {}

bool StatusText::next(std::string& chunk) {
  if (over_) return false;
  const std::size_t start = chunk.size();
  if (!std::exchange(begun_, true)) append_head(chunk);
  for (; next_ < facts_->envelope.size(); ++next_) {
    if (chunk.size() - start >= chunk_size) return true;
    append_recipient(chunk);
  }
  chunk += "]}\n";
  over_ = true;
  return true;
}

void StatusText::append_head(std::string& out) const {
  JsonWriter json(out);
  json.begin('{');
  const bool final = snapshot_.final || condemned_ != nullptr;
  append_facts(json, snapshot_, *facts_, final, config_);
  if (!final) append_forecast(json, snapshot_.forecast);
  if (condemned_ != nullptr)
    append_error(json, *condemned_, {});
  else
    append_counts(json, snapshot_.counts);
  out += R"(,"recipients":[)";
}

void StatusText::append_recipient(std::string& out) {
  const RecipientState state = snapshot_.state(next_);
  if (!wanted(state.action)) return;
  out += std::exchange(some_, true) ? ",{" : "{";
  fields_of(state.outcome).append(out, facts_->envelope.recipient(next_), state.attempts);
  out += '}';
}

// Of a condemned message those that had a final action before.
bool StatusText::wanted(Action action) const {
  if (condemned_ != nullptr) return is_final(action);
  return config_.detail == LedgerConfig::Detail::all ||
         (action != Action::relayed && action != Action::delivered);
}

const OutcomeFields& StatusText::fields_of(std::uint32_t outcome) {
  auto& kept = fields_[outcome % fields_.size()];
  if (!kept || kept->first != outcome)
    kept.emplace(outcome, OutcomeFields(outcome == 0 ? Outcome() : snapshot_.outcomes[outcome - 1].whole()));
  return kept->second;
}

std::string render_status(const Snapshot& snapshot, const LedgerConfig& config,
                          const DropProblem* condemned) {
  std::string whole;
  for (StatusText text(snapshot, config, condemned); text.next(whole);) {
  }
  return whole;
}

std::string render_refusal(const std::string& id, const std::string& name, const DropProblem& problem,
                           bool final, const std::string& reporting_mta, const Digest* digest, Wall now) {
  std::string out;
  JsonWriter json(out);
  json.begin('{').key("version").number(1).key("id").string(id).key("name").string(name);
  // A drop that waits may yet become a message, whose first status file has serial 1.
  json.key("serial").number(final ? 1 : 0).key("final").boolean(final);
  json.key("reporting_mta").text("dns; ", reporting_mta);
  json.key("digest").text("", digest != nullptr ? to_string(*digest) : std::string());
  json.key("updated").date(now);
  append_error(json, problem, name == id ? std::string_view() : std::string_view(name));
  json.key("recipients").begin('[').end(']').end('}');
  out += '\n';
  return out;
}

std::string status_path(std::string_view id) { return fmt::format("status/{}{}", id, json_suffix); }

std::string_view id_of_status(std::string_view entry) {
  if (entry.ends_with(json_suffix)) entry.remove_suffix(json_suffix.size());
  return entry;
}

namespace {

// `next_chunk` fills the string that it is given; false: there is no more.
template <class NextChunk>
Result<void> write_whole(Disk& disk, std::string_view id, NextChunk next_chunk) {
  // An id has 200 bytes, and "~" and a number where its name was taken: far from the 255 that a file name may
  // have.
  const std::string temporary = fmt::format("status/.{}.tmp", id);
  auto file = disk.create(temporary, status_mode);
  if (!file && file.error().code == EEXIST) { // left by a crash
    if (auto removed = disk.remove(temporary); !removed) return removed;
    file = disk.create(temporary, status_mode);
  }
  if (!file) return std::unexpected(file.error());
  Result<void> done;
  std::string chunk;
  chunk.reserve(usual_first_chunk);
  for (; done && next_chunk(chunk); chunk.clear()) done = (*file)->append(chunk);
  if (done) done = disk.rename(temporary, status_path(id));
  if (!done) static_cast<void>(disk.remove(temporary)); // a full disk needs the room
  return done;
}

} // namespace

Result<void> write_status_file(Disk& disk, std::string_view id, std::string_view json) {
  return write_whole(disk, id, [&](std::string& chunk) {
    chunk = std::exchange(json, {});
    return !chunk.empty();
  });
}

Result<void> write_status_file(Disk& disk, StatusText text) {
  return write_whole(disk, text.id(), [&](std::string& chunk) { return text.next(chunk); });
}

Result<StatusHead> read_status_head(Disk& disk, std::string_view id) {
  auto file = disk.open_read(status_path(id));
  if (!file) return std::unexpected(file.error());
  std::string bytes(head_size, '\0');
  auto got = (*file)->read_at(0, bytes);
  if (!got) return std::unexpected(got.error());
  const std::string_view json(bytes.data(), *got);

  StatusHead head;
  const std::string_view serial = value_after(json, R"("serial":)");
  std::from_chars(serial.data(), serial.data() + serial.size(), head.serial);
  head.final = value_after(json, R"("final":)") == "true";
  std::string_view digest = value_after(json, R"("digest":)");
  if (digest.size() > 2 && digest.front() == '"') head.digest = digest.substr(1, digest.size() - 2);
  return head;
}

} // namespace bulkmail::spool
