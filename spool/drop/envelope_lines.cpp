#include "spool/drop/envelope_lines.h"

#include <fmt/format.h>

namespace bulkmail::spool {

std::expected<EnvelopeLines::Line, DropProblem> EnvelopeLines::next() {
  stop_behind();
  ++number_;
  std::size_t newline = std::string_view::npos;
  for (std::size_t searched = 0;;) {
    newline = window_.unread().find('\n', searched);
    searched = window_.unread().size();
    if (newline != std::string_view::npos || searched > max_envelope_line || !window_.fill()) break;
  }
  if (window_.failure()) return std::unexpected(unreadable(*window_.failure()));
  const bool ended = newline != std::string_view::npos;
  const std::string_view text = window_.unread().substr(0, newline);
  if (text.size() > max_envelope_line)
    return std::unexpected(
        refused("line-too-long", fmt::format("a line of the envelope is over {} octets", max_envelope_line)));
  if (window_.offset() > max_envelope)
    return std::unexpected(
        refused("envelope-too-large", fmt::format("the envelope is over {} octets", max_envelope)));
  last_ = text.size() + (ended ? 1 : 0);
  if (number_ == 1) crlf_ = text.ends_with('\r');
  return checked(text, ended);
}

std::expected<EnvelopeLines::Line, DropProblem> EnvelopeLines::checked(std::string_view text,
                                                                       bool ended) const {
  if (crlf_ && text.ends_with('\r'))
    text.remove_suffix(1);
  else if (crlf_ && ended)
    return std::unexpected(refused("bad-line", "a bare LF within the envelope: line 1 ends in CRLF"));
  if (text.find('\r') != text.npos)
    return std::unexpected(refused("bad-line", "a CR within a line of the envelope"));
  if (text.find('\0') != text.npos)
    return std::unexpected(refused("bad-line", "a NUL within a line of the envelope"));
  return Line{text, ended};
}

void EnvelopeLines::stop_behind() {
  window_.consume(last_);
  last_ = 0;
}

void EnvelopeLines::stop_before_end() {
  window_.consume(last_ - end().size());
  last_ = 0;
}

std::string_view EnvelopeLines::peek(std::size_t octets) {
  stop_behind();
  while (window_.unread().size() < octets && window_.fill()) {
  }
  return window_.unread().substr(0, octets);
}

DropProblem EnvelopeLines::refused(std::string code, std::string text) const {
  return {DropProblem::Kind::refused, std::move(code), std::move(text), number_};
}

DropProblem EnvelopeLines::truncated(std::string text) const {
  return {DropProblem::Kind::incomplete, "truncated", std::move(text), number_};
}

DropProblem unreadable(const Error& error) {
  return {DropProblem::Kind::unreadable, "unreadable", error.text, 0};
}

} // namespace bulkmail::spool
