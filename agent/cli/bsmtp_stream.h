// Any number of BSMTP transactions, one behind the other, as Exim's pipe transport and other batches have them. It only
// finds where each begins and ends, and hands its bytes on as they came: what is in them is for the drop's parser to judge.
//
//   for (;;) {
//     auto head = stream.next_head();          // "": no more
//     do more = stream.next_content(block); … block … while (*more);
//   }
#pragma once

#include <cstddef>
#include <expected>
#include <functional>
#include <string>
#include <string_view>

namespace bulkmail::agent {

class BsmtpStream {
 public:
  // The envelope of a million recipients is smaller; a longer one would only fill the memory.
  static constexpr std::size_t max_head = 256 << 20;

  // Appends what can be read to its argument; false at the end of the input. Or an error's text.
  using Read = std::function<std::expected<bool, std::string>(std::string&)>;

  explicit BsmtpStream(Read read) : read_(std::move(read)) {}

  // The next transaction's lines from MAIL to DATA, without the end of DATA's line; "" when there is no more.
  [[nodiscard]] std::expected<std::string, std::string> next_head();
  // Appends the next block: from the end of DATA's line to that of the final dot's. False: it was the last.
  [[nodiscard]] std::expected<bool, std::string> next_content(std::string& block);

  // How this transaction's lines end, as its first one has it.
  [[nodiscard]] std::string_view line_end() const { return crlf_ ? "\r\n" : "\n"; }

 private:
  [[nodiscard]] std::string_view rest() const { return std::string_view(buffer_).substr(begin_); }

  std::expected<void, std::string> fill();
  // A whole line with its end, still to be taken; "" if the input ends before.
  std::expected<std::string_view, std::string> line();

  Read read_;
  std::string buffer_;
  std::size_t begin_ = 0; // what stands before it was given away
  bool ended_ = false;
  bool crlf_ = false;
};

} // namespace bulkmail::agent
