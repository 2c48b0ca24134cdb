#include "spool/status/results.h"

#include "spool/status/json_writer.h"
#include "spool/status/recipient_fields.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <optional>

namespace bulkmail::spool {
namespace {

constexpr unsigned results_mode = 0640;
constexpr std::string_view rotated_prefix = "results-";
constexpr std::string_view suffix = ".ndjson";
constexpr std::string_view line_start = R"({"seq":)";
constexpr std::size_t first_window = 1 << 20;

void render(const OutcomeEvents& events, std::string& out) {
  const auto facts = events.facts.unpack();
  const OutcomeFields fields(*events.outcome);
  std::string common; // what stands between a line's seq and its recipient
  JsonWriter json(common);
  json.key("event").string(to_string(events.outcome->action)).key("event_time").date(events.time);
  json.key("id").string(facts->id).key("sender").string(facts->envelope.sender());
  for (std::size_t n = 0; n < events.recipients.size(); ++n) {
    out += line_start;
    append_decimal(out, events.first_event + n);
    out += ',';
    out += common;
    out += ',';
    fields.append(out, facts->envelope.recipient(events.recipients[n]), events.attempts[n]);
    out += "}\n";
  }
}

void render(const RefusedRecord& refused, std::string& out) {
  out += line_start;
  append_decimal(out, refused.first_event);
  out += ',';
  JsonWriter json(out);
  json.key("event").string("refused").key("event_time").date(refused.time);
  json.key("id").string(refused.id).key("name").string(refused.name);
  json.key("error").begin('{').key("code").string(refused.code).key("text").string(refused.text).key("line");
  if (refused.line != 0)
    json.number(refused.line);
  else
    json.null();
  json.end('}').end('}');
  out += '\n';
}

// The seq of a whole line without its newline; none: no line of ours.
std::optional<std::uint64_t> seq_of(std::string_view line) {
  if (!line.starts_with(line_start) || !line.ends_with('}') || line.find('\0') != std::string_view::npos)
    return std::nullopt;
  std::uint64_t seq = 0;
  const char* const digits = line.data() + line_start.size();
  const auto read = std::from_chars(digits, line.data() + line.size(), seq);
  if (read.ec != std::errc() || *read.ptr != ',') return std::nullopt;
  return seq;
}

// A file's good lines: the last one's seq (0: none) and where it ends.
struct GoodLines {
  std::uint64_t last_seq = 0;
  std::uint64_t end = 0;
};

GoodLines good_lines(std::string_view bytes) {
  GoodLines good;
  for (std::size_t start = 0; start < bytes.size();) {
    const std::size_t newline = bytes.find('\n', start);
    if (newline == std::string_view::npos) break;
    const auto seq = seq_of(bytes.substr(start, newline - start));
    if (!seq || *seq <= good.last_seq) break;
    good.last_seq = *seq;
    start = good.end = newline + 1;
  }
  return good;
}

// Looks at as much of a file's end as must be looked at: from a line whose seq is at most `needed`, or all of
// it.
Result<GoodLines> good_lines_at_end(File& file, std::uint64_t needed) {
  const auto info = file.info();
  if (!info) return std::unexpected(info.error());
  for (std::uint64_t window = std::min<std::uint64_t>(first_window, info->size);;
       window = std::min(2 * window, info->size)) {
    std::string bytes(window, '\0');
    const auto got = file.read_at(info->size - window, bytes);
    if (!got) return std::unexpected(got.error());
    bytes.resize(*got);
    const std::uint64_t from = info->size - window;
    // The window's first whole line; the file's beginning is one.
    const std::size_t skip = from == 0 ? 0 : std::min(bytes.find('\n'), bytes.size() - 1) + 1;
    const std::string_view lines = std::string_view(bytes).substr(skip);
    const auto first = seq_of(lines.substr(0, lines.find('\n')));
    if (from != 0 && (!first || *first > needed)) continue;
    GoodLines good = good_lines(lines);
    good.end += from + skip;
    return good;
  }
}

} // namespace

void render_results(const ResultsEvents& events, std::string& out) {
  std::visit([&out](const auto& kind) { render(kind, out); }, events);
}

bool is_rotated_results(std::string_view file_name) {
  return file_name.starts_with(rotated_prefix) && file_name.ends_with(suffix);
}

void ResultsStream::resume_at(std::uint64_t good_length) {
  file_.reset();
  good_ = good_length;
  torn_ = true;
}

Attempted ResultsStream::append(std::string_view lines) {
  if (auto opened = open(); !opened) return opened;
  if (torn_) {
    if (auto cut = step(disk_.truncate(current, good_)); !cut) return cut;
    torn_ = false;
  }
  torn_ = true;
  if (auto written = step(file_->append(lines)); !written) return written;
  torn_ = false;
  good_ += lines.size();
  return {};
}

Attempted ResultsStream::rotate(std::uint64_t limit, Wall now) {
  if (good_ < limit || good_ == 0 || torn_ || !file_) return {};
  if (auto synced = sync_step(file_->sync_data()); !synced) return synced;
  std::string stamp;
  append_date(stamp, now); // 2026-11-24T08:00:54.123Z
  std::erase_if(stamp, [](char c) { return c == '-' || c == ':'; });
  std::string path = fmt::format("results/{}{}{}", rotated_prefix, stamp, suffix);
  for (unsigned again = 1;; ++again) {
    const auto renamed = disk_.rename_new(current, path);
    if (renamed) break;
    if (renamed.error().code != EEXIST) return step(renamed);
    path = fmt::format("results/{}{}_{}{}", rotated_prefix, stamp, again, suffix);
  }
  file_.reset();
  good_ = 0;
  // Else a power cut might give the name to the next file and leave this one without.
  return sync_step(disk_.sync_directory("results"));
}

// Somebody may have moved the file away: then a new one is begun.
Attempted ResultsStream::open() {
  const auto there = disk_.info(current);
  if (file_ && there && there->inode == inode_) return {};
  if (!there && there.error().code != ENOENT) return std::unexpected(Failure{there.error()});
  const bool resumed = !file_ && torn_; // good_ is of the file that recovery saw
  file_.reset();
  auto file = disk_.append_to(current, results_mode);
  if (!file) return std::unexpected(Failure{file.error()});
  const auto info = (*file)->info();
  if (!info) return std::unexpected(Failure{info.error()});
  if (!resumed || info->size < good_) {
    good_ = info->size;
    torn_ = false;
  }
  inode_ = info->inode;
  file_ = std::move(*file);
  return {};
}

Result<ResultsTail> read_results_tail(Disk& disk, std::uint64_t needed) {
  ResultsTail tail;
  auto file = disk.open_read(ResultsStream::current);
  if (!file && file.error().code != ENOENT) return std::unexpected(file.error());
  if (file) {
    const auto good = good_lines_at_end(**file, needed);
    if (!good) return std::unexpected(good.error());
    tail.good_length = good->end;
    tail.last_seq = good->last_seq;
  }
  if (tail.last_seq != 0) return tail;

  // Nothing in the current one: what was rotated away was synced first, so its last line is good.
  auto names = disk.list("results");
  if (!names) return std::unexpected(names.error());
  std::erase_if(*names, [](const std::string& name) { return !is_rotated_results(name); });
  if (names->empty()) return tail;
  auto newest = disk.open_read("results/" + *std::max_element(names->begin(), names->end()));
  if (!newest) return std::unexpected(newest.error());
  const auto good = good_lines_at_end(**newest, needed);
  if (!good) return std::unexpected(good.error());
  tail.last_seq = good->last_seq;
  return tail;
}

} // namespace bulkmail::spool
