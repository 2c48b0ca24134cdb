#include "transport/reply.h"

#include "transport/printable.h"

#include <fmt/format.h>

#include <algorithm>

namespace bulkmail::transport {

namespace {

constexpr std::size_t code_length = 3;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// The code that `line` begins with, 0: none.
int parse_code(std::string_view line) {
  if (line.size() < code_length || line[0] < '2' || line[0] > '5' || !is_digit(line[1]) || !is_digit(line[2]))
    return 0;
  return (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
}

std::size_t leading_digits(std::string_view text) {
  std::size_t count = 0;
  while (count < text.size() && is_digit(text[count])) ++count;
  return count;
}

// Of another class than the code's it lies.
std::string_view parse_enhanced(std::string_view text, int code) {
  const std::string_view status = leading_status(text);
  return !status.empty() && status[0] - '0' == code / 100 ? status : std::string_view{};
}

} // namespace

std::string_view leading_status(std::string_view text) {
  if (text.size() < 2 || std::string_view("245").find(text[0]) == text.npos || text[1] != '.') return {};
  const std::size_t subject = leading_digits(text.substr(2));
  const std::size_t dot = 2 + subject;
  if (subject < 1 || subject > 3 || dot >= text.size() || text[dot] != '.') return {};
  const std::size_t detail = leading_digits(text.substr(dot + 1));
  const std::size_t end = dot + 1 + detail;
  if (detail < 1 || detail > 3 || (end < text.size() && text[end] != ' ')) return {};
  return text.substr(0, end);
}

std::string Reply::text() const {
  std::string out = fmt::format("{}", code);
  std::string_view separator = " ";
  for (const std::string& line : lines) {
    if (!line.empty()) out.append(separator).append(line);
    separator = " / ";
    if (out.size() > max_printable) break;
  }
  cut_printable(out, max_printable);
  return out;
}

bool too_many_recipients(const Reply& reply) {
  return (reply.code == 452 || reply.code == 552) &&
         (reply.enhanced.empty() || std::string_view(reply.enhanced).substr(1) == ".5.3");
}

std::size_t ReplyParser::feed(std::string_view bytes) {
  std::size_t taken = 0;
  while (taken < bytes.size() && !done_ && problem_.empty()) {
    const std::string_view rest = bytes.substr(taken);
    const std::size_t newline = rest.find('\n');
    const bool whole = newline != std::string_view::npos;
    const std::string_view piece = rest.substr(0, newline);
    const std::size_t step = whole ? newline + 1 : rest.size();
    taken += step;
    total_ += step;
    if (line_.size() + piece.size() > max_line) {
      problem_ = "a line without end";
    } else if (total_ > max_reply) {
      problem_ = "a reply without end";
    } else if (!whole) {
      line_.append(piece);
    } else if (line_.empty()) {
      parse(piece);
    } else {
      line_.append(piece);
      parse(line_);
      line_.clear();
    }
  }
  return taken;
}

void ReplyParser::parse(std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  const int code = parse_code(line);
  const char separator = line.size() > code_length ? line[code_length] : ' ';
  if (code == 0 || (separator != ' ' && separator != '-')) {
    problem_ = fmt::format("\"{}\" is no reply", printable(line.substr(0, 80)));
    return;
  }
  if (used_lines_ > 0 && code != reply_.code) {
    problem_ = fmt::format("the code changes from {} to {} within a reply", reply_.code, code);
    return;
  }
  if (used_lines_ == max_lines) {
    problem_ = "a reply without end";
    return;
  }
  const std::string_view text = line.substr(std::min(line.size(), code_length + 1));
  if (used_lines_ == 0) {
    reply_.code = code;
    reply_.enhanced = parse_enhanced(text, code);
  }
  if (used_lines_ == reply_.lines.size()) reply_.lines.emplace_back();
  std::string& kept = reply_.lines[used_lines_++];
  kept.clear();
  append_printable(kept, text);
  if (separator == ' ') {
    reply_.lines.resize(used_lines_);
    done_ = true;
  }
}

Reply ReplyParser::take() {
  Reply reply = std::move(reply_);
  reply_ = {};
  next();
  return reply;
}

void ReplyParser::next() {
  used_lines_ = 0;
  line_.clear();
  problem_.clear();
  total_ = 0;
  done_ = false;
}

} // namespace bulkmail::transport
