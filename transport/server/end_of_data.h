// Finds the end of a message after DATA (RFC 5321 §4.1.1.4): CRLF "." CRLF and nothing else. A bare LF or CR
// never ends a line here, so that no two servers can disagree about where a message ends (CVE-2023-51764).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace bulkmail::transport {

class EndOfData {
 public:
  // Takes bytes up to the end of data and appends those known to be content, dots still doubled. Answers how
  // many were taken; fewer than given only once it is found().
  std::size_t feed(std::string_view bytes, std::string& content);

  [[nodiscard]] bool found() const { return at_ == At::end; }

  // Leading dots so far: what is doubled for the way, and is none of the message's size (RFC 1870 §5).
  [[nodiscard]] std::uint64_t doubled_dots() const { return doubled_dots_; }

 private:
  // DATA's own line end counts: the very first line may be the final dot.
  enum class At : std::uint8_t { line_start, dot, dot_cr, text, cr, end } at_ = At::line_start;
  std::uint64_t doubled_dots_ = 0;
};

} // namespace bulkmail::transport
