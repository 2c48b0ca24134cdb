// The client side of one SMTP session (RFC 5321; PIPELINING RFC 2920, SIZE 1870, 8BITMIME 6152, SMTPUTF8 6531,
// ENHANCEDSTATUSCODES 2034, DSN 3461), without I/O.
//
// It takes bytes and the time and gives back bytes, events and a deadline; it owns no socket and no timer and never calls
// its caller. The queue of unanswered commands is the state: lock-step is a queue of length one, PIPELINING a longer one.
// It never credits a reply to another command than the oldest unanswered one, never pipelines QUIT, never sends content
// without a 354, and never says `relayed` for anything but a 2yz to the end of data.
//
//   Client client(config, now);
//   for (;;) {
//     arm a timer at client.deadline();
//     on bytes:      client.receive(bytes, now);
//     on end/error:  client.lost("connection reset by peer", now);
//     on the timer:  client.timeout(now);
//     while (auto event = client.next_event()) switch (event->kind) {
//       case ready:        client.start(transaction, now);  or client.quit(now);
//       case send_content: write the wire form, block by block, client.content_progress(now) after each;
//                          then client.end_of_content(now), or client.abandon_content() and close the connection
//       case settled:      event->results has an answer for each recipient; `ready` follows if the session can go on
//       case closed:       close the connection; event->trouble says why (empty after a QUIT)
//     }
//     write client.take_output();
//   }
#pragma once

#include "spool/envelope.h"
#include "spool/time.h"
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
  std::chrono::milliseconds connect{30'000}, greeting{300'000}, ehlo{300'000}, tls{60'000}, mail{300'000}, rcpt{300'000},
      data{120'000}, block{180'000}, end_of_data{600'000}, rset{20'000}, quit{10'000};
};

struct ClientConfig {
  std::string hostname; // for EHLO
  Timeouts timeouts;
  bool allow_pipelining = true; // false: known to be broken at this host (fault 64)
  std::uint64_t messages_per_connection = 1000;
  enum class EightBit : std::uint8_t { send, fail } eight_bit = EightBit::send; // to a host without 8BITMIME
};

// What the EHLO reply offered.
struct Offer {
  bool esmtp = false; // false: HELO was needed
  bool pipelining = false, eight_bit_mime = false, smtp_utf8 = false, enhanced_status_codes = false, dsn = false;
  bool starttls = false, chunking = false;
  std::optional<std::uint64_t> size; // 0: no fixed limit
};

// One transaction: MAIL to end of data. Views hold until `settled`.
struct TransactionRecipient {
  std::string address; // as it goes into RCPT TO, A-label domain already where needed
  spool::Notify notify;
  std::string orcpt;
};

struct Transaction {
  std::string sender;
  std::vector<TransactionRecipient> recipients;
  std::uint64_t size = 0;   // wire octets, for SIZE=
  bool eight_bit = false;   // content has octets over 127
  bool needs_smtp_utf8 = false;
  spool::Body body = spool::Body::unspecified;
  spool::Ret ret = spool::Ret::unspecified;
  std::string envid;
};

// At which point of the dialog something was decided.
enum class Stage : std::uint8_t { connect, greeting, ehlo, starttls, mail, rcpt, data, content, end_of_data, rset, quit };
[[nodiscard]] std::string_view to_string(Stage stage); // "MAIL FROM", "end of data", …

// The answer for one recipient. Either a reply of the peer's, or a trouble of the session, or a local reason.
struct RecipientResult {
  enum class Kind : std::uint8_t {
    accepted,      // end of data answered 2yz
    refused,       // `reply` is 4yz or 5yz, for this recipient or for the whole transaction
    again,         // too many recipients (452/552 4.5.3): goes into a new transaction at once
    lost,          // connection lost, timed out or out of step before the end of data was sent; `text` says how
    indeterminate, // lost after the end of data was sent and before its reply
    unsuitable,    // never sent: over SIZE (5.3.4), needs SMTPUTF8 (5.6.7), 8-bit refused (5.6.3); `text`, `enhanced`
  } kind = Kind::lost;
  Stage stage = Stage::connect;
  std::optional<Reply> reply; // shared by all recipients that one reply answered
  std::string text;
  std::string enhanced; // for unsuitable
};

// Why a session could not be set up or ended before its time.
struct Trouble {
  enum class Kind : std::uint8_t {
    none,
    refused,   // a 4yz or 5yz greeting, EHLO and HELO refused: `reply`
    timeout,   // no whole reply within the stage's time
    lost,      // the connection was closed or reset
    malformed, // replies that make no sense, too long, extra
    shutdown,  // 421
  } kind = Kind::none;
  Stage stage = Stage::greeting;
  std::optional<Reply> reply;
  std::string text; // "connection lost while waiting for the greeting", printable
};

struct Event {
  enum class Kind : std::uint8_t { ready, send_content, settled, closed } kind = Kind::ready;
  std::vector<RecipientResult> results; // settled: in the order of Transaction::recipients
  Trouble trouble;                      // closed
  bool pipelining_broken = false;       // settled or closed: remember allow_pipelining = false for this host
};

class Client {
 public:
  Client(ClientConfig config, Monotonic now); // connected; waits for the greeting

  void receive(std::string_view bytes, Monotonic now);
  void lost(std::string_view why, Monotonic now);
  void timeout(Monotonic now); // at or after deadline(); earlier: nothing
  [[nodiscard]] std::optional<Monotonic> deadline() const;
  [[nodiscard]] std::string take_output();
  [[nodiscard]] bool has_output() const { return !output_.empty(); }
  [[nodiscard]] std::optional<Event> next_event();

  void start(Transaction transaction, Monotonic now); // after `ready`
  void content_progress(Monotonic now);               // a block of content went out
  void end_of_content(Monotonic now);                 // appends the dot; from here on a loss is indeterminate
  void abandon_content(std::string_view why, Monotonic now); // no dot: the session ends, recipients are `lost`
  void quit(Monotonic now);

  [[nodiscard]] const Offer& offer() const { return offer_; }
  [[nodiscard]] bool idle() const;              // ready and nothing started
  [[nodiscard]] std::uint64_t transactions() const { return transactions_; } // finished ones, any result
  [[nodiscard]] bool content_sent() const;      // the dot is out and unanswered

 private:
  std::string output_;
  Offer offer_;
  std::uint64_t transactions_ = 0;
  // …
};

} // namespace bulkmail::transport
