#include "agent/cli/bsmtp_stream.h"

#include "spool/ascii.h"

#include <fmt/format.h>

#include <utility>

namespace bulkmail::agent {
namespace {

using spool::equal_without_case;
using spool::starts_without_case;

std::string_view without_end(std::string_view line) {
  return line.substr(0, line.find_last_not_of(" \r\n") + 1);
}

// What may stand between transactions and means nothing here.
bool is_courtesy(std::string_view line) {
  return starts_without_case(line, "HELO") || starts_without_case(line, "EHLO") ||
         equal_without_case(line, "RSET") || equal_without_case(line, "NOOP");
}

} // namespace

std::expected<void, std::string> BsmtpStream::fill() {
  buffer_.erase(0, std::exchange(begin_, 0));
  const auto more = read_(buffer_);
  if (!more) return std::unexpected(more.error());
  ended_ = !*more;
  return {};
}

std::expected<std::string_view, std::string> BsmtpStream::line() {
  for (std::size_t searched = 0;;) {
    if (const auto end = rest().find('\n', searched); end != std::string_view::npos)
      return rest().substr(0, end + 1);
    if (ended_) return "";
    searched = rest().size();
    if (searched > max_head) return std::unexpected("an endless line");
    if (auto filled = fill(); !filled) return std::unexpected(filled.error());
  }
}

std::expected<std::string, std::string> BsmtpStream::next_head() {
  std::string head;
  for (;;) {
    const auto line_ = line();
    if (!line_) return std::unexpected(line_.error());
    const auto text = without_end(*line_);
    if (line_->empty()) {
      const auto last = without_end(rest());
      if (head.empty() && (last.empty() || equal_without_case(last, "QUIT"))) return head;
      return std::unexpected("the input ends before DATA");
    }
    if (head.empty()) {
      if (is_courtesy(text)) {
        begin_ += line_->size();
        continue;
      }
      if (equal_without_case(text, "QUIT")) {
        begin_ += line_->size();
        while (!ended_ && rest().empty())
          if (auto filled = fill(); !filled) return std::unexpected(filled.error());
        if (rest().empty()) return head;
        return std::unexpected("there is more behind QUIT");
      }
      if (!starts_without_case(text, "MAIL FROM:"))
        return std::unexpected("a transaction begins with MAIL FROM:<sender>");
      crlf_ = line_->ends_with("\r\n");
    }
    if (!equal_without_case(text, "DATA")) {
      head += *line_;
      begin_ += line_->size();
      if (head.size() > max_head) return std::unexpected("an endless envelope");
      continue;
    }
    if (!line_->ends_with(line_end())) return std::unexpected("lines end in LF here and in CRLF there");
    const auto length = line_->size() - line_end().size();
    head += line_->substr(0, length);
    begin_ += length;
    return head;
  }
}

std::expected<bool, std::string> BsmtpStream::next_content(std::string& block) {
  const auto end_of_data = fmt::format("{0}.{0}", line_end());
  const auto held_back = end_of_data.size() - 1; // it may have begun
  for (;;) {
    if (const auto at = rest().find(end_of_data); at != std::string_view::npos) {
      block += rest().substr(0, at + end_of_data.size());
      begin_ += at + end_of_data.size();
      return false;
    }
    if (rest().size() > held_back) {
      const auto certain = rest().size() - held_back;
      block += rest().substr(0, certain);
      begin_ += certain;
      return true;
    }
    if (ended_) return std::unexpected("the input ends before the final dot");
    if (auto filled = fill(); !filled) return std::unexpected(filled.error());
  }
}

} // namespace bulkmail::agent
