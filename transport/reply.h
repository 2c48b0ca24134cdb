// One SMTP reply (RFC 5321 §4.2, enhanced codes RFC 2034/3463), and the parser that makes it from bytes.
//
// The peer controls every byte: lines and replies are bounded, control bytes never get out of here. Lines end
// in LF or CRLF, the code stands alone or before a space or a hyphen, and is the same on every line; all else
// is malformed.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bulkmail::transport {

struct Reply {
  int code = 0;                   // 200 to 599
  std::string enhanced;           // "2.1.5" if the text begins with one of the code's class; else empty
  std::vector<std::string> lines; // text of each line without code; printable, the rest escaped as \xHH

  [[nodiscard]] int kind() const { return code / 100; } // 2, 3, 4, 5

  [[nodiscard]] bool positive() const { return kind() == 2; }

  [[nodiscard]] bool negative() const { return kind() >= 4; }

  [[nodiscard]] std::string text() const; // "250 2.1.5 Ok", lines joined by " / ", at most 1000 octets
};

// The status that a text begins with, class "." 1*3digit "." 1*3digit and then a space or the end (RFC 3463 §2); empty: none.
[[nodiscard]] std::string_view leading_status(std::string_view text);

// The host is closing down or has had enough of us, whatever the command was (RFC 5321 §3.8).
inline constexpr int service_not_available = 421;

// To RCPT: it takes no more recipients in this transaction (RFC 5321 §4.5.3.1.10, RFC 3463 X.5.3). Old hosts
// say 552.
[[nodiscard]] bool too_many_recipients(const Reply& reply);

// A reply that many answers refer to: immutable, copied for the price of a count. Used like
// std::optional<Reply>.
class SharedReply {
 public:
  SharedReply() = default;

  SharedReply(std::nullopt_t) {}

  SharedReply(Reply reply) : reply_(std::make_shared<const Reply>(std::move(reply))) {}

  [[nodiscard]] bool has_value() const { return reply_ != nullptr; }

  explicit operator bool() const { return has_value(); }

  const Reply& operator*() const { return *reply_; }

  const Reply* operator->() const { return reply_.get(); }

  bool operator==(const SharedReply&) const = default; // the very same reply of the dialog

 private:
  std::shared_ptr<const Reply> reply_;
};

class ReplyParser {
 public:
  static constexpr std::size_t max_line = 4096; // RFC 5321 §4.5.3.1.5 asks for 512
  static constexpr std::size_t max_reply =
      65536; // an EHLO of a thousand keywords; a peer that never ends is cut off
  static constexpr std::size_t max_lines = 1000;

  // Takes bytes up to the end of one reply; answers how many. After that `done()` or `problem()`.
  std::size_t feed(std::string_view bytes);

  [[nodiscard]] bool done() const { return done_; }

  [[nodiscard]] const std::string& problem() const { return problem_; } // malformed, too long; empty: none

  [[nodiscard]] bool begun() const { return total_ > 0; }

  [[nodiscard]] const Reply& reply() const { return reply_; } // when done

  [[nodiscard]] Reply take(); // resets for the next one
  void next();                // forgets a reply nobody keeps; its memory serves the next one

 private:
  void parse(std::string_view line);

  Reply reply_;
  std::size_t used_lines_ = 0; // of reply_.lines: the others are spare until the reply is done
  std::string line_;           // an unfinished one
  std::string problem_;
  std::size_t total_ = 0;
  bool done_ = false;
};

} // namespace bulkmail::transport
