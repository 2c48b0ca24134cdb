#include "spool/status/status.h"

#include "spool/status/json_writer.h"
#include "spool/status/recipient_fields.h"

#include <fmt/format.h>

#include <cerrno>
#include <charconv>
#include <optional>

namespace bulkmail::spool {
namespace {

constexpr unsigned status_mode = 0640;
// What a recipient's object takes beyond its address, roughly: one growth of the string instead of many.
constexpr std::size_t usual_recipient_size = 480;
// "digest" stands behind the id, the name, the sender and the message id, whose lengths are bounded (RFC 5321
// §4.5.3.1, RFC 5322 §2.1.1; six octets for each at the worst).
constexpr std::size_t head_size = 16 * 1024;

void append_counts(JsonWriter& json, const Counts& counts) {
  json.key("counts").begin('{').key("total").number(counts.total).key("relayed").number(counts.relayed);
  json.key("delivered").number(counts.delivered).key("failed").number(counts.failed);
  json.key("delayed").number(counts.delayed).key("queued").number(counts.queued).end('}');
}

// Everything of a message's status file before "counts".
void append_facts(JsonWriter& json, const Snapshot& snapshot, bool final, const LedgerConfig& config) {
  const MessageFacts& facts = *snapshot.facts;
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

// "recipients", in the envelope's order, of those whose action is wanted.
template <class Wanted>
void append_recipients(std::string& out, const Snapshot& snapshot, Wanted wanted) {
  const Envelope& envelope = snapshot.facts->envelope;
  std::vector<std::optional<OutcomeFields>> fields(snapshot.outcomes.size() +
                                                   1); // by RecipientState::outcome
  out += R"(,"recipients":[)";
  bool first = true;
  for (std::size_t index = 0; index < snapshot.states.size(); ++index) {
    const RecipientState& state = snapshot.states[index];
    if (!wanted(state.action)) continue;
    auto& common = fields[state.outcome];
    if (!common) common.emplace(state.outcome == 0 ? nullptr : snapshot.outcomes[state.outcome - 1].get());
    out += first ? "{" : ",{";
    first = false;
    common->append(out, envelope.recipient(index), state.attempts);
    out += '}';
  }
  out += "]}\n";
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

std::string render_status(const Snapshot& snapshot, const LedgerConfig& config) {
  std::string out;
  const bool all = config.detail == LedgerConfig::Detail::all;
  out.reserve(1024 + (all ? snapshot.states.size() * usual_recipient_size : 0));
  JsonWriter json(out);
  json.begin('{');
  append_facts(json, snapshot, snapshot.final, config);
  append_counts(json, snapshot.counts);
  append_recipients(out, snapshot, [all](Action action) {
    return all || (action != Action::relayed && action != Action::delivered);
  });
  return out;
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

std::string render_condemned(const Snapshot& snapshot, const DropProblem& problem,
                             const LedgerConfig& config) {
  std::string out;
  JsonWriter json(out);
  json.begin('{');
  append_facts(json, snapshot, true, config);
  append_error(json, problem, {});
  append_recipients(out, snapshot, [](Action action) { return is_final(action); });
  return out;
}

std::string status_path(std::string_view id) { return fmt::format("status/{}.json", id); }

Result<void> write_status_file(Disk& disk, std::string_view id, std::string_view json) {
  // An id has 200 bytes, and "~" and a number where its name was taken: far from the 255 that a file name may
  // have.
  const std::string temporary = fmt::format("status/.{}.tmp", id);
  auto file = disk.create(temporary, status_mode);
  if (!file && file.error().code == EEXIST) { // left by a crash
    if (auto removed = disk.remove(temporary); !removed) return removed;
    file = disk.create(temporary, status_mode);
  }
  if (!file) return std::unexpected(file.error());
  Result<void> done = (*file)->append(json);
  if (done) done = disk.rename(temporary, status_path(id));
  if (!done) static_cast<void>(disk.remove(temporary)); // a full disk needs the room
  return done;
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
