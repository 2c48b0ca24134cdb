// The client side of one SMTP session (RFC 5321; PIPELINING RFC 2920, SIZE 1870, 8BITMIME 6152, SMTPUTF8
// 6531, ENHANCEDSTATUSCODES 2034, DSN 3461, STARTTLS 3207), without I/O.
//
// It takes bytes and the time and gives back bytes, events and a deadline; it owns no socket and no timer and
// never calls its caller. The queue of unanswered commands is the state: lock-step is a queue of length one,
// PIPELINING a longer one. It never credits a reply to another command than the oldest unanswered one, nor to
// a command that was not yet taken for sending, never pipelines QUIT, never sends content without a 354, and
// never says `accepted` for anything but a 2yz to the end of data.
//
//   Client client(config, now);
//   for (;;) {
//     arm a timer at client.deadline();
//     on bytes:      client.receive(bytes, now);
//     on end/error:  client.lost("connection reset by peer", now);
//     on the timer:  client.timeout(now);
//     while (auto event = client.next_event()) switch (event->kind) {
//       case start_tls:    put TLS between the connection and the client, then client.tls_established(now), or
//                          client.tls_failed("why", now)
//       case ready:        client.start(transaction, now);  or client.quit(now);
//       case send_content: write the wire form, block by block, client.content_progress(now) after each;
//                          then client.end_of_content(now), or client.abandon_content() and close the
//                          connection
//       case settled:      event->results has an answer for each recipient; `ready` follows if the session
//                          can go on
//       case closed:       close the connection; event->trouble says why (empty after a QUIT)
//     }
//     write client.take_output(); // before the next bytes are read
//   }
#pragma once

#include "spool/time.h"
#include "transport/client/offer.h"
#include "transport/client/suitable.h"
#include "transport/client/transaction.h"
#include "transport/reply.h"

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bulkmail::transport {

// RFC 5321 §4.5.3.2; `block` is for one write of content, the others for a whole reply.
struct Timeouts {
  std::chrono::milliseconds connect{30'000}, greeting{300'000}, ehlo{300'000}, tls{60'000}, mail{300'000},
      rcpt{300'000}, data{120'000}, block{180'000}, end_of_data{600'000}, rset{20'000}, quit{10'000};
};

// Whether a session is to be secured; who is on the other side is not the dialog's to judge.
enum class UseTls : std::uint8_t {
  never,
  if_offered, // with STARTTLS, if the host offers it and does not refuse it
  always,     // with STARTTLS, or there is no session
  at_once,    // before the greeting (RFC 8314 §3.3)
};

struct ClientConfig {
  using EightBit = transport::EightBit;

  std::string hostname; // for EHLO
  Timeouts timeouts;
  bool allow_pipelining = true; // false: known to be broken at this host
  std::uint64_t messages_per_connection = 1000;
  EightBit eight_bit = EightBit::send; // to a host without 8BITMIME
  UseTls tls = UseTls::never;
};

// Why a session could not be set up or ended before its time.
struct Trouble {
  enum class Kind : std::uint8_t {
    none,      // nothing to hold against the host: after a QUIT, or it was our own decision (`text`)
    refused,   // a 4yz or 5yz greeting, EHLO and HELO refused: `reply`
    timeout,   // no whole reply within the stage's time
    lost,      // the connection was closed or reset
    malformed, // replies that make no sense, too long, extra
    shutdown,  // 421
    insecure,  // TLS is wanted and not offered, refused (`reply`), or it failed
  } kind = Kind::none;
  Stage stage = Stage::greeting;
  SharedReply reply;
  std::string text; // "connection lost while waiting for the greeting", printable
};

struct Event {
  enum class Kind : std::uint8_t { start_tls, ready, send_content, settled, closed } kind = Kind::ready;
  std::vector<RecipientResult> results; // settled: in the order of Transaction::recipients
  Trouble trouble;                      // closed
  bool pipelining_broken = false;       // settled or closed: remember allow_pipelining = false for this host
  std::optional<std::chrono::nanoseconds> end_of_data{}; // settled: from the end of data to its reply
};

class Client {
 public:
  Client(ClientConfig config, Monotonic now); // connected; waits for the greeting

  void receive(std::string_view bytes, Monotonic now);
  void lost(std::string_view why, Monotonic now);
  void timeout(Monotonic now); // at or after deadline(); earlier: nothing

  [[nodiscard]] std::optional<Monotonic> deadline() const { return deadline_; }

  [[nodiscard]] std::string take_output();

  [[nodiscard]] bool has_output() const { return !output_.empty(); }

  [[nodiscard]] std::optional<Event> next_event();

  void tls_established(Monotonic now); // after `start_tls`
  void tls_failed(std::string_view why, Monotonic now);
  void start(Transaction transaction, Monotonic now); // after `ready`
  void content_progress(Monotonic now);               // a block of content went out
  void end_of_content(Monotonic now);                 // appends the dot; from here on a loss is indeterminate
  void abandon_content(std::string_view why,
                       Monotonic now); // no dot: the session ends, recipients are `lost`
  void quit(Monotonic now);            // now, or as soon as the transaction is settled

  [[nodiscard]] const Offer& offer() const { return offer_; }

  [[nodiscard]] bool idle() const; // ready and nothing started

  [[nodiscard]] std::uint64_t transactions() const { return transactions_; } // finished ones, any result

  [[nodiscard]] bool content_sent() const {
    return content_ == Content::sent;
  } // the dot is out and unanswered

 private:
  enum class Verb : std::uint8_t {
    greeting,
    ehlo,
    helo,
    starttls,
    handshake, // no command: TLS is being established, and no reply may come
    rset,
    mail,
    rcpt,
    data,
    dot,
    lone_dot,
    quit
  };

  struct Command {
    Verb verb;
    std::uint32_t recipient; // rcpt
  };
  enum class Step : std::uint8_t { rset, mail, rcpt, data, none }; // what the transaction sends next
  enum class Content : std::uint8_t { none, sending, sent };       // sent: the dot is out
  enum class Progress : std::uint8_t { open, accepted, decided };  // of a recipient; accepted: by RCPT

  static Stage stage_of(Verb verb);
  [[nodiscard]] milliseconds time_for(Verb verb) const;
  [[nodiscard]] Stage stage() const;
  [[nodiscard]] std::string doing(Stage stage) const; // "waiting for the reply to DATA"

  [[nodiscard]] bool unanswered() const { return oldest_ < commands_.size(); }

  [[nodiscard]] bool pipelining() const { return offer_.pipelining && config_.allow_pipelining; }

  void push(Verb verb, std::uint32_t recipient = 0);
  void send(Verb verb);
  void send_next();
  void proceed(Monotonic now);
  void arm(Monotonic now);
  void become_ready();

  [[nodiscard]] bool turns_to_tls();
  void await_handshake();
  [[nodiscard]] bool shaking_hands() const;

  void answered(Monotonic now);
  void greeting_answered();
  void hello_answered(Verb verb);
  void starttls_answered();
  void mail_answered();
  void rcpt_answered(std::uint32_t recipient);
  void data_answered();
  void dot_answered(Monotonic now);
  void answered_out_of_turn();

  SharedReply share() { return {parser_.take()}; }

  void decide(std::uint32_t recipient, RecipientResult result);
  void decide_open(const RecipientResult& result);
  void settle();

  void shut_down(Stage stage);
  void refuse_session(Stage stage);
  void out_of_step(Stage stage, std::string_view problem);
  void close(Trouble trouble);
  [[nodiscard]] bool tells_pipelining_broken(Trouble::Kind kind) const;

  ClientConfig config_;
  std::string output_;
  Offer offer_;
  std::uint64_t transactions_ = 0;
  std::optional<Monotonic> deadline_;
  std::deque<Event> events_;
  ReplyParser parser_;
  bool closed_ = false;
  bool quit_wanted_ = false;
  bool secured_ = false;
  bool needs_rset_ = false;        // the host has the beginning of a transaction
  bool pipelining_proven_ = false; // a whole flight was answered
  bool flight_answered_ = false;   // some command of this transaction was

  // Unanswered commands, oldest first; those from `untaken_` on are still in output_.
  std::vector<Command> commands_;
  std::size_t oldest_ = 0;
  std::size_t untaken_ = 0;

  // The transaction.
  bool active_ = false;
  Transaction transaction_;
  Step step_ = Step::none;
  Content content_ = Content::none;
  Monotonic dot_sent_{};
  std::optional<std::chrono::nanoseconds> end_of_data_; // from then to its reply
  std::uint32_t next_recipient_ = 0;
  std::uint32_t open_ = 0;     // recipients not decided
  std::uint32_t accepted_ = 0; // of those: accepted by RCPT
  std::vector<Progress> progress_;
  std::vector<RecipientResult> results_;
};

} // namespace bulkmail::transport
