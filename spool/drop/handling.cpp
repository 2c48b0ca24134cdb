#include "spool/drop/handling.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>

namespace bulkmail::spool {
namespace {

constexpr std::string_view record = "state/handling";
constexpr std::string_view new_record = "state/handling.new";
constexpr std::size_t first_line = 288; // a path: a directory, a name of at most 255 octets; LF
constexpr std::size_t max_record = first_line + HandlingMark::max_suspects * (first_line + 12);

std::array<char, first_line> padded(std::string_view path) {
  std::array<char, first_line> line;
  line.fill(' ');
  path.copy(line.data(), first_line - 1);
  line.back() = '\n';
  return line;
}

} // namespace

HandlingMark::HandlingMark(Disk& disk) : disk_(disk) {
  read_last_start();
  begin_file();
}

bool HandlingMark::hopeless(std::string_view path) const {
  const auto found = std::ranges::find(suspects_, path, &Suspect::path);
  return found != suspects_.end() && found->crashes >= patience;
}

void HandlingMark::settled(std::string_view path) {
  if (suspects_.empty()) return;
  const auto found = std::ranges::find(suspects_, path, &Suspect::path);
  if (found == suspects_.end()) return;
  suspects_.erase(found);
  begin_file();
}

void HandlingMark::rest() {
  if (marked_) write_current({});
}

void HandlingMark::read_last_start() {
  const auto file = disk_.open_read(record);
  if (!file) return;
  std::string text(max_record, '\0');
  const auto got = (*file)->read_at(0, text);
  if (!got || *got < first_line) return;
  text.resize(*got);

  std::string_view rest = std::string_view(text).substr(first_line);
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    Suspect suspect;
    const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), suspect.crashes);
    if (error != std::errc() || end == line.data() + line.size()) continue;
    suspect.path = std::string(end + 1, line.data() + line.size());
    suspects_.push_back(std::move(suspect));
  }
  std::string_view current = std::string_view(text).substr(0, first_line - 1);
  current.remove_suffix(current.size() - (current.find_last_not_of(' ') + 1));
  if (current.empty()) return;
  const auto known = std::ranges::find(suspects_, current, &Suspect::path);
  if (known != suspects_.end())
    ++known->crashes;
  else
    suspects_.push_back({std::string(current), 1});
  if (suspects_.size() > max_suspects) suspects_.erase(suspects_.begin());
}

// A new file in the place of the old one, so that a crash finds one or the other whole.
void HandlingMark::begin_file() {
  const auto nothing = padded({});
  std::string text(nothing.data(), nothing.size());
  for (const Suspect& suspect : suspects_) text += fmt::format("{} {}\n", suspect.crashes, suspect.path);
  auto file = disk_.create(new_record, 0600);
  if (!file && file.error().code == EEXIST && disk_.remove(new_record)) file = disk_.create(new_record, 0600);
  file_ = nullptr;
  if (!file || !(*file)->append(text) || !disk_.rename(new_record, record)) return;
  file_ = std::move(*file);
}

void HandlingMark::write_current(std::string_view path) {
  marked_ = !path.empty();
  if (!file_) return;
  const auto line = padded(path);
  if (!file_->write_at(0, {line.data(), line.size()})) file_ = nullptr;
}

} // namespace bulkmail::spool
