// The lines of a drop's envelope: ended by LF or CRLF as line 1 is, with no CR, LF or NUL inside, none over its bound.
#pragma once

#include "spool/drop/format.h"
#include "spool/drop/window.h"

namespace bulkmail::spool {

class EnvelopeLines {
 public:
  struct Line {
    std::string_view text; // without its end; holds until the next call
    bool ended = false;    // false: the file ends within it
  };

  explicit EnvelopeLines(Window& window) : window_(window) {}

  [[nodiscard]] std::expected<Line, DropProblem> next();

  [[nodiscard]] std::size_t number() const { return number_; } // of the last line, from 1

  [[nodiscard]] std::string_view end() const { return crlf_ ? "\r\n" : "\n"; }

  // The content begins where the window's unread() is left: behind the last line, or with that line's own end, which an
  // end of data may follow at once.
  void stop_behind();
  void stop_before_end();
  // What stands behind the last line, at least so many octets unless the file ends before; it may be no line of ours.
  [[nodiscard]] std::string_view peek(std::size_t octets);

  // What is wrong with the last line.
  [[nodiscard]] DropProblem refused(std::string code, std::string text) const;
  [[nodiscard]] DropProblem truncated(std::string text) const;

 private:
  [[nodiscard]] std::expected<Line, DropProblem> checked(std::string_view text, bool ended) const;

  Window& window_;
  std::size_t number_ = 0;
  std::size_t last_ = 0; // octets of the last line, not yet consumed
  bool crlf_ = false;
};

// The disk answered an error.
[[nodiscard]] DropProblem unreadable(const Error& error);

} // namespace bulkmail::spool
