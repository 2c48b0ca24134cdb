#include "tests/world/event_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <iterator>
#include <system_error>

namespace bulkmail::world {
namespace {

constexpr std::size_t flush_at = 256 * 1024;

// The length of the UTF-8 sequence at text[0] (RFC 3629), 0 if it is none.
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned lead = byte(0);
  if (lead < 0x80) return 1;
  const std::size_t length = lead >= 0xC2 && lead < 0xE0   ? 2
                             : lead >= 0xE0 && lead < 0xF0 ? 3
                             : lead >= 0xF0 && lead < 0xF5 ? 4
                                                           : 0;
  if (length == 0 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i)
    if ((byte(i) & 0xC0) != 0x80) return 0;
  const unsigned second = byte(1);
  if ((lead == 0xE0 && second < 0xA0) || (lead == 0xED && second > 0x9F)) return 0;
  if ((lead == 0xF0 && second < 0x90) || (lead == 0xF4 && second > 0x8F)) return 0;
  return length;
}

} // namespace

void append_json(std::string& out, std::string_view text) {
  out += '"';
  for (std::size_t i = 0; i < text.size();) {
    const char c = text[i];
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
      ++i;
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned>(c));
      ++i;
    } else if (const auto length = utf8_length(text.substr(i)); length > 0) {
      out += text.substr(i, length);
      i += length;
    } else {
      out += "\\ufffd";
      ++i;
    }
  }
  out += '"';
}

EventLog::EventLog(const std::string& path) {
  if (path.empty()) return;
  fd_ = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644);
  if (fd_ < 0) throw std::system_error(errno, std::system_category(), path);
}

EventLog::~EventLog() {
  flush();
  if (fd_ >= 0) close(fd_);
}

void EventLog::flush() {
  std::string_view left = buffer_;
  while (!left.empty()) {
    const auto written = write(fd_, left.data(), left.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) break; // a full disk is the test's to notice
    left.remove_prefix(static_cast<std::size_t>(written));
  }
  buffer_.clear();
}

EventLog::Line::Line(EventLog& log, std::string_view event, std::chrono::steady_clock::duration elapsed)
    : log_(log) {
  const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(elapsed).count();
  fmt::format_to(std::back_inserter(log_.buffer_), "{{\"t\":{}.{:06},\"event\":\"{}\"", micros / 1'000'000,
                 micros % 1'000'000, event);
}

EventLog::Line::~Line() {
  log_.buffer_ += "}\n";
  if (log_.buffer_.size() >= flush_at) log_.flush();
}

void EventLog::Line::key(std::string_view name) {
  log_.buffer_ += ",\"";
  log_.buffer_ += name;
  log_.buffer_ += "\":";
}

EventLog::Line& EventLog::Line::text(std::string_view name, std::string_view value) {
  key(name);
  append_json(log_.buffer_, value);
  return *this;
}

EventLog::Line& EventLog::Line::number(std::string_view name, std::uint64_t value) {
  key(name);
  fmt::format_to(std::back_inserter(log_.buffer_), "{}", value);
  return *this;
}

EventLog::Line& EventLog::Line::flag(std::string_view name, bool value) {
  key(name);
  log_.buffer_ += value ? "true" : "false";
  return *this;
}

EventLog::Line& EventLog::Line::null(std::string_view name) {
  key(name);
  log_.buffer_ += "null";
  return *this;
}

} // namespace bulkmail::world
