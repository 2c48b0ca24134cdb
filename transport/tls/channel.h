// The client side of one TLS connection (RFC 8446, RFC 5246), without I/O: ciphertext goes in and comes out, plaintext
// likewise. It owns no socket and no timer and never calls its owner.
//
//   TlsChannel tls(contexts, policy, {tickets, key}, now);  // the handshake begins: there is output
//   for (;;) {
//     write tls.take_output();
//     on bytes: tls.receive(bytes, now); then
//       state() handshake: go on; too long is the owner's to say
//       state() open:      info() says what was agreed and proved; take_plaintext(), write(plaintext)
//       state() ended:     the peer said that it closes; what came before is in take_plaintext()
//       state() failed:    problem() says why; output may hold an alert for the peer
//   }
//
// A certificate that does not hold by the policy fails the handshake, before a byte of mail could be written. Under policies
// that ask for none it is looked at all the same: info().verified is for information then.
#pragma once

#include "spool/outcome.h"
#include "spool/time.h"
#include "transport/tls/contexts.h"
#include "transport/tls/handles.h"
#include "transport/tls/policy.h"
#include "transport/tls/tickets.h"
#include "transport/tls/wire.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace bulkmail::transport {

// What about a host's certificate, or else, made a handshake fail.
enum class TlsFault : std::uint8_t { handshake, name, expired, untrusted, tlsa };

class TlsChannel {
 public:
  enum class State : std::uint8_t { handshake, open, ended, failed };

  // Where tickets come from and go to.
  struct Tickets {
    TicketStore& store;
    TicketKey key;
  };

  TlsChannel(std::shared_ptr<const TlsContexts> contexts, TlsPolicy policy, Tickets tickets, Monotonic now);
  ~TlsChannel();
  TlsChannel(const TlsChannel&) = delete; // OpenSSL refers to it
  TlsChannel& operator=(const TlsChannel&) = delete;

  void receive(std::string_view ciphertext, Monotonic now);
  void write(std::string_view plaintext); // when open
  void end();                             // says that nothing more is written (close_notify)

  [[nodiscard]] std::string take_plaintext() { return std::exchange(plaintext_, {}); }

  [[nodiscard]] std::string take_output() { return std::exchange(wire_.out, {}); }

  [[nodiscard]] bool has_output() const { return !wire_.out.empty(); }

  [[nodiscard]] State state() const { return state_; }

  [[nodiscard]] const std::string& problem() const { return problem_; }

  [[nodiscard]] TlsFault fault() const { return fault_; } // once failed

  // Once open: what a policy that asks for a certificate would have failed it for.
  [[nodiscard]] std::optional<TlsFault> flaw() const;

  [[nodiscard]] spool::TlsInfo info() const; // once open
  [[nodiscard]] bool resumed() const;

  // OpenSSL's way to hand over a ticket.
  static int keep_ticket(ssl_st* connection, ssl_session_st* ticket);

 private:
  void ask_for_names();
  void ask_for_tlsa();
  void shake_hands();
  void read();
  void fail(int result);

  std::shared_ptr<const TlsContexts> contexts_;
  TlsPolicy policy_;
  Tickets tickets_;
  Monotonic now_; // of the call that is under way
  TlsWire wire_;
  SslPointer connection_;
  State state_ = State::handshake;
  std::string plaintext_;
  std::string problem_;
  TlsFault fault_ = TlsFault::handshake;
};

} // namespace bulkmail::transport
