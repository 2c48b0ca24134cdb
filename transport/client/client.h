// The client side of one SMTP or LMTP session (RFC 5321, 2033; PIPELINING RFC 2920, STARTTLS 3207, AUTH 4954, CHUNKING 3030,
// LIMITS 9422, SIZE 1870, 8BITMIME 6152, SMTPUTF8 6531, ENHANCEDSTATUSCODES 2034, DSN 3461), without I/O.
//
// It takes bytes and the time and gives back bytes, events and a deadline; it owns no socket and no timer and
// never calls its caller. The queue of unanswered commands is the state: lock-step is a queue of length one,
// PIPELINING a longer one, and over a long path it holds the commands of many transactions. It never credits a reply to
// another command than the oldest unanswered one, nor to a command that was not yet taken for sending, never pipelines
// QUIT, sends content only after a 354 or announced by BDAT, and never says `accepted` for anything but a 2yz to the end of
// data. What is answered while more is unanswered it tells once nothing can be mistaken any more.
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
//       case send_content: while (client.wants_content()) client.send_content(block, last, now), as the socket takes it;
//                          client.content_progress(now) whenever it did; or client.abandon_content() and close the
//                          connection
//       case settled:      event->results has an answer for each recipient of event->transaction; `ready` follows if
//                          nothing is under way and the session can go on
//       case closed:       close the connection; event->trouble says why (empty after a QUIT)
//     }
//     if (client.can_start()) client.start(another, now); // if there is more: it goes out at once
//     write client.take_output(); // before the next bytes are read
//   }
#pragma once

#include "spool/time.h"
#include "transport/auth/exchange.h"
#include "transport/client/offer.h"
#include "transport/client/reply_habits.h"
#include "transport/client/running.h"
#include "transport/client/suitable.h"
#include "transport/client/transaction.h"
#include "transport/reply.h"

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
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

  enum class Protocol : std::uint8_t { smtp, lmtp };

  Protocol protocol = Protocol::smtp;
  std::string hostname; // for EHLO
  Timeouts timeouts;
  // False: known to be broken at this host.
  bool allow_pipelining = true;
  bool allow_chunking = true;
  bool allow_running_ahead = true; // transactions before the last one is answered
  // From this round trip on it is worth while; on shorter ones nothing is won.
  std::chrono::milliseconds run_ahead_from{10};
  std::uint64_t messages_per_connection = 1000;
  EightBit eight_bit = EightBit::send; // to a host without 8BITMIME
  UseTls tls = UseTls::never;
  std::shared_ptr<const Credentials> credentials{}; // to log in with; null: nobody does
  std::string nonce{};                              // random, of this session alone: for logging in
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
    no_entry,  // the login was refused (`reply`), or there can be none
  } kind = Kind::none;
  Stage stage = Stage::greeting;
  SharedReply reply;
  std::string text; // "connection lost while waiting for the greeting", printable
};

struct Event {
  enum class Kind : std::uint8_t { start_tls, ready, send_content, settled, closed } kind = Kind::ready;
  std::uint32_t transaction = 0;          // send_content, settled: as start() numbered it
  std::vector<RecipientResult> results{}; // settled: in the order of Transaction::recipients
  // settled: the session had been used and ended before it answered anything of this one. Nobody was tried.
  bool untried = false;
  // settled: from the end of data to its reply, if nothing was unanswered before.
  std::optional<std::chrono::nanoseconds> end_of_data{};
  Trouble trouble{}; // closed
  // closed: to be remembered for this host.
  bool pipelining_broken = false, chunking_broken = false, running_ahead_broken = false;
};

class Client {
 public:
  // Content up to here goes out together with its envelope, before it is known whether anybody is accepted.
  static constexpr std::uint64_t flight_octets = 64 * 1024;
  // What may be unanswered: what a path of 100 ms holds at 20 Mbit/s, and not more work than a lost connection may
  // leave in doubt.
  static constexpr std::size_t most_transactions = 64;
  static constexpr std::uint64_t most_octets = 256 * 1024;
  static constexpr std::uint32_t most_chunks = 8; // of one message, of a block each

  Client(ClientConfig config, Monotonic now); // connected; waits for the greeting

  void receive(std::string_view bytes, Monotonic now);
  void lost(std::string_view why, Monotonic now);
  void timeout(Monotonic now); // at or after deadline(); earlier: nothing

  [[nodiscard]] std::optional<Monotonic> deadline() const { return deadline_; }

  [[nodiscard]] std::string take_output();

  [[nodiscard]] std::size_t output_size() const { return output_.size(); }

  [[nodiscard]] std::optional<Event> next_event();

  [[nodiscard]] bool has_event() const { return !events_.empty(); }

  void tls_established(Monotonic now); // after `start_tls`
  void tls_failed(std::string_view why, Monotonic now);
  // After `ready`, or while it can; numbered from 1.
  std::uint32_t start(Transaction transaction, Monotonic now);
  // Whether another transaction would be under way at once, or next.
  [[nodiscard]] bool can_start() const;

  // Whether its content, unless it is large, has to be at hand when a transaction starts: it goes along.
  [[nodiscard]] bool content_goes_along() const { return chunking() && pipelining() && !lmtp(); }

  // A block of content in wire form, as it is: its dots are seen to here. After `last` a loss is indeterminate.
  void send_content(std::string_view block, bool last, Monotonic now);
  // The transaction that a block of content may be sent of now; 0: none.
  [[nodiscard]] std::uint32_t wants_content() const;
  void content_progress(Monotonic now); // a block of content went out
  void abandon_content(std::string_view why,
                       Monotonic now); // no end of data: the session ends, recipients are `lost`
  void quit(Monotonic now);            // now, or as soon as all transactions are settled

  [[nodiscard]] const Offer& offer() const { return offer_; }

  [[nodiscard]] bool idle() const; // ready and nothing started

  [[nodiscard]] std::uint64_t transactions() const { return transactions_; } // finished ones, any result

  [[nodiscard]] bool content_sent() const; // an end of data is out, and its answer not told yet

 private:
  enum class Verb : std::uint8_t {
    greeting,
    ehlo,
    helo,
    starttls,
    handshake, // no command: TLS is being established, and no reply may come
    auth,
    rset,
    mail,
    rcpt,
    data,
    chunk,
    end, // of data: the dot, or the last chunk
    lone_dot,
    quit
  };

  struct Command {
    Verb verb;
    std::uint32_t transaction; // 0: of none
    std::uint32_t recipient;   // rcpt; end in LMTP
  };

  using Step = Running::Step;

  static Stage stage_of(Verb verb);
  [[nodiscard]] milliseconds time_for(Verb verb) const;
  [[nodiscard]] Stage stage() const;
  [[nodiscard]] std::string doing(Stage stage) const; // "waiting for the reply to DATA"

  [[nodiscard]] bool unanswered() const { return oldest_ < commands_.size(); }

  [[nodiscard]] bool pipelining() const { return offer_.pipelining && config_.allow_pipelining; }

  [[nodiscard]] bool chunking() const { return offer_.chunking && config_.allow_chunking; }

  [[nodiscard]] bool lmtp() const { return config_.protocol == ClientConfig::Protocol::lmtp; }

  [[nodiscard]] bool runs_ahead() const;
  [[nodiscard]] std::uint64_t message_limit() const;

  [[nodiscard]] Running* sender();

  [[nodiscard]] const Running* sender() const { return const_cast<Client*>(this)->sender(); }

  [[nodiscard]] Running& running(std::uint32_t id) { return running_[id - running_.front().id]; }

  void push(Verb verb, Running* of = nullptr, std::uint32_t recipient = 0);
  void send(Verb verb);
  void send(Verb verb, Running& of);
  [[nodiscard]] bool may_send(const Running& next) const;
  void send_next(Running& next);
  void proceed();
  void arm();
  void become_ready();

  [[nodiscard]] bool turns_to_tls();
  void await_handshake();
  [[nodiscard]] bool shaking_hands() const;

  void answered();
  void greeting_answered();
  void hello_answered(Verb verb);
  void starttls_answered();
  [[nodiscard]] bool logs_in();
  void append_auth();
  void auth_answered();
  void refuse_to_log_in(std::string_view why);
  void mail_answered(Running& of);
  void rcpt_answered(Running& of, std::uint32_t recipient);
  void data_answered(Running& of);
  void chunk_answered(Running& of);
  void end_answered(Running& of, std::uint32_t recipient);
  void answered_out_of_turn();
  [[nodiscard]] bool shifted(Verb verb);
  [[nodiscard]] bool refuses_chunking() const;
  void refuse_chunking(Running& of, Stage stage);
  void refuse_content(Running& of);

  SharedReply share() { return {parser_.take()}; }

  void settle(bool untried = false);
  void learn_depth(const Running& over);
  void tell_settled();
  void come_home();

  void shut_down(Stage stage);
  void refuse_session(Stage stage);
  void out_of_step(Stage stage, std::string_view problem);
  void close(Trouble trouble);
  void doubt_settled(const Trouble& trouble);
  [[nodiscard]] bool was_untried(const Running& of, Trouble::Kind kind) const;
  [[nodiscard]] bool tells_pipelining_broken(Trouble::Kind kind) const;

  ClientConfig config_;
  Monotonic now_{}; // of the call
  std::string output_;
  Offer offer_;
  std::uint64_t transactions_ = 0;
  std::optional<Monotonic> deadline_;
  std::deque<Event> events_;
  ReplyParser parser_;
  ReplyHabits habits_;
  bool ready_ = false;     // for transactions
  bool ready_due_ = false; // a transaction was settled
  bool closed_ = false;
  bool quit_wanted_ = false;
  bool secured_ = false;
  std::unique_ptr<Exchange> exchange_; // once logging in has begun
  Mechanism mechanism_ = Mechanism::plain;
  bool needs_rset_ = false;        // the host has the beginning of a transaction
  bool pipelining_proven_ = false; // a whole flight was answered
  bool chunking_proven_ = false;   // a chunk was accepted
  bool chunking_broken_ = false;
  bool flight_answered_ = false; // something was since the queue was last empty
  bool confirmed_ = false;       // the last reply can be none to another command, and so were those before it
  Monotonic flight_began_{};
  std::chrono::nanoseconds round_trip_ = std::chrono::nanoseconds::max(); // the shortest seen

  // Unanswered commands, oldest first; those from `untaken_` on are still in output_.
  std::vector<Command> commands_;
  std::size_t oldest_ = 0;
  std::size_t untaken_ = 0;
  std::uint64_t replies_ = 0;                // to commands
  std::optional<std::uint64_t> armed_after_; // replies, when the deadline for the oldest command was set

  std::deque<Running> running_; // transactions, oldest first
  std::uint32_t started_ = 0;
  std::uint64_t octets_ = 0;   // of their content, as far as its end was sent
  std::size_t depth_ = 1;      // so many may be under way
  std::vector<Event> settled_; // while what is still unanswered may show that replies were shifted
};

} // namespace bulkmail::transport
