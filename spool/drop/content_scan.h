// What is to be known of a content before it is sent, found while it streams by: its size in wire form, whether it has
// octets over 127, and its Message-ID.
//
// Wire form (RFC 5321 §2.3.8): LF and CRLF end a line and count as CRLF, a bare CR counts as a space, NUL as nothing, an
// unended last line gets its CRLF. Blocks may be cut anywhere.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace bulkmail::spool {

class ContentScan {
 public:
  // `dot_stuffed`: of two dots that begin a line the first is not content (RFC 5321 §4.5.2).
  explicit ContentScan(bool dot_stuffed) : dot_stuffed_(dot_stuffed) {}

  void add(std::string_view block);
  void finish();

  [[nodiscard]] std::uint64_t size() const { return size_; }

  [[nodiscard]] std::uint64_t lines() const { return lines_; } // ended ones

  [[nodiscard]] bool eight_bit() const { return eight_bit_; }

  // As the first header block has it, unfolded; empty: none, or longer than any RFC 5322 line.
  [[nodiscard]] const std::string& message_id() const { return message_id_; }

 private:
  void begin_line(std::string_view rest);
  void header_piece(std::string_view piece, bool ended);
  void header_line();

  bool dot_stuffed_;
  bool held_dot_ = false; // the last block ended behind a line's first octet, a dot
  char last_ = '\n';
  std::uint64_t size_ = 0;
  std::uint64_t lines_ = 0;
  bool eight_bit_ = false;

  bool in_header_ = true;
  bool in_message_id_ = false; // this line may be folded on
  std::string line_;           // of the header, as far as it matters
  std::string message_id_;
};

} // namespace bulkmail::spool
