// The server side of one LMTP session (RFC 2033; PIPELINING, 8BITMIME, SMTPUTF8, ENHANCEDSTATUSCODES, SIZE, DSN), without
// I/O. It takes mail in; whether a message is accepted its caller decides, once it is durable.
//
// Only CRLF "." CRLF ends the data (CVE-2023-51764). Lines, recipients and sizes are bounded. A cause of ours is always
// 452 4.3.1, never 421 or 252 at RCPT, never 5yz at MAIL or DATA.
//
//   LmtpServer server(config);          // has the greeting in take_output()
//   server.receive(bytes);
//   while (auto event = server.next_event()) switch (event->kind) {
//     case begin:   an envelope is complete, DATA was answered 354 (or call refuse() first: see can_accept)
//     case content: event->bytes, still dot-stuffed, CRLF lines as they came
//     case end:     make it durable, then server.answer(results): one reply a recipient, in order
//     case aborted: forget what came since begin
//     case closed:  close after the output is written
//   }
#pragma once

#include "spool/envelope.h"

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bulkmail::transport {

struct LmtpConfig {
  std::string hostname;
  std::uint64_t max_size = 0; // octets; 0: no limit announced
  std::size_t max_recipients = 100'000;
};

struct LmtpEvent {
  enum class Kind : std::uint8_t { begin, content, end, aborted, closed } kind = Kind::closed;
  spool::Envelope envelope; // begin
  std::string bytes;        // content
};

class LmtpServer {
 public:
  explicit LmtpServer(LmtpConfig config);

  // False: the spool is full or unwell; MAIL and DATA are answered 452 4.3.1 until it is true again.
  void can_accept(bool yes);
  void receive(std::string_view bytes);
  [[nodiscard]] std::optional<LmtpEvent> next_event();
  [[nodiscard]] std::string take_output();
  // The replies to the end of data, one for each recipient, e.g. "250 2.0.0 news-1 queued". While one is owed, what the
  // client sends ahead is kept (bounded) and not looked at.
  void answer(const std::vector<std::string>& replies);
  void answer_all(std::string_view reply);
  [[nodiscard]] std::string_view client_name() const; // LHLO's argument
  [[nodiscard]] bool answer_owed() const;

 private:
  std::string output_;
  // …
};

} // namespace bulkmail::transport
