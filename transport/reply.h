// One SMTP reply (RFC 5321 §4.2, enhanced codes RFC 2034/3463), and the parser that makes it from bytes.
//
// The peer controls every byte: lines and replies are bounded, control bytes never get out of here.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bulkmail::transport {

struct Reply {
  int code = 0;                    // 200 to 599
  std::string enhanced;            // "2.1.5" if the text begins with one of the code's class; else empty
  std::vector<std::string> lines;  // text of each line without code; printable, the rest escaped as \xHH

  [[nodiscard]] int kind() const { return code / 100; } // 2, 3, 4, 5
  [[nodiscard]] bool positive() const { return kind() == 2; }
  [[nodiscard]] std::string text() const; // "250 2.1.5 Ok", lines joined by " / ", at most 1000 octets
};

class ReplyParser {
 public:
  static constexpr std::size_t max_line = 4096;   // RFC 5321 §4.5.3.1.5 asks for 512
  static constexpr std::size_t max_reply = 65536; // an EHLO of a thousand keywords; fault 53
  static constexpr std::size_t max_lines = 1000;

  // Takes bytes up to the end of one reply; answers how many. After that `done()` or `problem()`.
  std::size_t feed(std::string_view bytes);
  [[nodiscard]] bool done() const { return done_; }
  [[nodiscard]] const std::string& problem() const { return problem_; } // malformed, too long; empty: none
  [[nodiscard]] bool begun() const { return !line_.empty() || !reply_.lines.empty(); }
  [[nodiscard]] Reply take(); // resets for the next one

 private:
  Reply reply_;
  std::string line_;
  std::string problem_;
  std::size_t total_ = 0;
  bool done_ = false;
};

} // namespace bulkmail::transport
