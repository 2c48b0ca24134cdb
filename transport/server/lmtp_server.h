// The server side of one LMTP session (RFC 2033; PIPELINING, 8BITMIME, SMTPUTF8, ENHANCEDSTATUSCODES, SIZE,
// DSN, XVERP), without I/O. It takes mail in; whether a message is accepted its caller decides, once it is
// durable.
//
// Only CRLF "." CRLF ends the data, only CRLF ends a command (CVE-2023-51764). Lines, recipients and sizes
// are bounded. A cause of ours is always 452 4.3.1, never 421 or 252 at RCPT, never 5yz at MAIL or DATA.
//
//   LmtpServer server(config);          // has the greeting in take_output()
//   server.receive(bytes);              // while server.wants_input()
//   while (auto event = server.next_event()) switch (event->kind) {
//     case begin:   an envelope is complete, DATA was answered 354; if it can't be kept, say so at `end`
//     case content: event->bytes, still dot-stuffed, CRLF lines as they came, without the final dot
//     case end:     make it durable, then server.answer(replies): one reply a recipient, in the envelope's order
//     case aborted: forget what came since begin
//     case closed:  close after the output is written
//   }
#pragma once

#include "spool/envelope.h"
#include "transport/server/command.h"
#include "transport/server/end_of_data.h"

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
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
  // Octets of a command line with its CRLF; RFC 5321 §4.5.3.1.4 asks for 512, parameters and SMTPUTF8
  // addresses for more.
  static constexpr std::size_t max_line = 4096;
  // How long a line that is too long may be, to be answered and no more: what is thrown away is bounded too.
  static constexpr std::size_t max_discarded = 65'536;
  // Commands that made no sense since the last message, before the session ends. RCPT doesn't count: a list
  // may have any number of bad addresses.
  static constexpr std::uint32_t max_errors = 20;
  // What a client may send ahead while it is owed an answer.
  static constexpr std::size_t max_ahead = 65'536;

  explicit LmtpServer(LmtpConfig config);

  // False: the spool is full or unwell; MAIL and DATA are answered 452 4.3.1 until it is true again.
  void can_accept(bool yes) { can_accept_ = yes; }

  void receive(std::string_view bytes);

  // False: enough is kept; read no more until the answer is given.
  [[nodiscard]] bool wants_input() const { return state_ != State::closed && ahead_.size() < max_ahead; }

  [[nodiscard]] std::optional<LmtpEvent> next_event();
  [[nodiscard]] std::string take_output();
  // The replies to the end of data, one for each recipient of the envelope, e.g. "250 2.0.0 news-1 queued"; a
  // recipient named twice gets its reply twice. While they are owed, what the client sends ahead is kept and
  // not looked at.
  void answer(const std::vector<std::string>& replies);
  void answer_all(std::string_view reply);

  [[nodiscard]] std::string_view client_name() const { return client_name_; } // LHLO's argument

  [[nodiscard]] bool answer_owed() const { return state_ == State::owed; }

 private:
  enum class State : std::uint8_t {
    command,    // between commands
    data,       // behind 354
    discarding, // the same, but the message is over max_size: its end is all that matters
    owed,       // the caller's answer is awaited
    closed,
  };

  std::size_t take_line(std::string_view bytes);
  std::size_t take_content(std::string_view bytes);
  void perform(std::string_view line);
  void lhlo(const Command& command);
  void mail(std::string_view argument);
  void rcpt(std::string_view argument);
  void data(const Command& command);
  void remember(std::string_view recipient, bool added);
  void reset();
  void reply(std::string_view text);
  void error(std::string_view text);
  void close();

  LmtpConfig config_;
  State state_ = State::command;
  bool can_accept_ = true;
  std::string client_name_; // empty: LHLO is still to come
  std::uint32_t errors_ = 0;

  std::string line_;            // of a command still without its end, up to max_line
  std::size_t line_length_ = 0; // of all of it
  char last_octet_ = '\0';      // of it: a CR here and the LF in the next bytes end it
  std::string ahead_;
  std::string output_;
  std::deque<LmtpEvent> events_;

  bool in_transaction_ = false; // MAIL was taken
  spool::EnvelopeBuilder builder_;
  std::vector<std::uint32_t> accepted_; // of each RCPT answered 250: its place in the envelope
  std::unordered_map<std::string, std::uint32_t> places_; // address -> place; filled once one is named twice
  EndOfData end_of_data_;
  std::uint64_t received_ = 0; // octets of content, dots doubled
};

} // namespace bulkmail::transport
