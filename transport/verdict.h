// The one place where replies become outcomes: nothing else in the program decides what is final and what is
// tried again (RFC 5321 §4.2.1, RFC 3463).
//
//   2yz to the end of data                          relayed; delivered, by LMTP
//   5yz                                             failed
//   4yz, 421, too many recipients (452, 552 X.5.3)  delayed
//   no answer before the end of data was sent       delayed 4.4.2
//   no answer to the end of data                    delayed 4.4.2, or failed 4.4.2 if that must not be
//                                                   retried; indeterminate
//   never sent, the host can't take it              failed, with the reason's code
//   TLS that has to be and is not                   delayed 4.7.4 (not offered, refused), 4.7.5 (failed)
//   login refused, or not possible                  delayed
//   a session refused by every host for good        failed, by any of them or in another way: delayed
#pragma once

#include "spool/outcome.h"
#include "spool/time.h"
#include "transport/client/client.h"
#include "transport/printable.h"

#include <cstdint>
#include <optional>
#include <string>

namespace bulkmail::transport {

// Where an attempt went.
struct Peer {
  std::string host;    // "mx1.d1.example"
  std::string address; // "192.0.2.7", "2001:db8::1"
  std::uint16_t port = 25;
  bool dsn = false;                    // it offers DSN (RFC 3461)
  bool final_delivery = false;         // an LMTP server: who is accepted has the message
  std::optional<spool::TlsInfo> tls{}; // none: in clear
};

// For a recipient of a transaction. Delayed outcomes come without next_attempt_date and will_retry_until: the
// scheduler knows those. `again` has no outcome: it must not be passed here.
[[nodiscard]] spool::Outcome verdict(const RecipientResult& result, const Peer& peer,
                                     bool retry_indeterminate, Wall now);

// For a session that could not be set up with any host: 5yz greetings everywhere are final, all else is
// delayed.
[[nodiscard]] spool::Outcome verdict(const Trouble& trouble, const Peer& peer, bool every_host_refused,
                                     Wall now);

// For a local or DNS cause: "x-bulkmail; <text>".
[[nodiscard]] spool::Outcome local_outcome(spool::Action action, spool::Source source, std::string status,
                                           std::string text, Wall now);

} // namespace bulkmail::transport
