// A message's content as it goes over the wire (RFC 5321 §2.3.8, §4.5.2).
//
// LF and CRLF both end a line and leave as CRLF; a bare CR leaves as a space; NUL is left out; a last line
// without an end gets one; nothing else changes. This is what BDAT carries, and SIZE= counts; DATA has its leading dots
// doubled (dot_stuffing.h), afresh, so that no malformed end of data gets through (SMTP smuggling, CVE-2023-51764): there is
// neither a bare CR nor a bare LF.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace bulkmail::transport {

// Encodes block by block, cut anywhere: file bytes in, wire bytes out.
class WireEncoder {
 public:
  // `source_dot_stuffed`: a leading dot in the input is doubled (BSMTP) and is undone first. A leading dot
  // that stands alone, which no right writer leaves there, is the writer's own and kept.
  explicit WireEncoder(bool source_dot_stuffed) : source_stuffed_(source_dot_stuffed) {}

  void encode(std::string_view block, std::string& out);
  void finish(std::string& out); // ends an unfinished line

  // Octets so far: what SIZE= declares.
  [[nodiscard]] std::uint64_t size() const { return size_; }

  [[nodiscard]] bool eight_bit() const { return eight_bit_; }

 private:
  void encode_piece(std::string_view piece, std::string& out);
  void put(std::string_view text, std::string& out);
  void write(std::string_view text, std::string& out);
  void end_line(std::string& out);

  bool source_stuffed_;
  bool line_start_ = true;
  bool held_dot_ = false;   // a leading dot of the input: doubled or alone, the next octet tells
  bool pending_cr_ = false; // a CR at the end of what came: of a line end or bare, the next octet tells
  bool eight_bit_ = false;
  std::uint64_t size_ = 0;
};

// A whole small message.
[[nodiscard]] std::string wire_form(std::string_view content, bool source_dot_stuffed);

} // namespace bulkmail::transport
