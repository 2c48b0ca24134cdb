// The one place where replies become outcomes: nothing else in the program tells 4yz from 5yz (contract §3, faults.md).
#pragma once

#include "spool/outcome.h"
#include "spool/time.h"
#include "transport/client/client.h"

#include <string>

namespace bulkmail::transport {

// Where an attempt went.
struct Peer {
  std::string host;    // "mx1.d1.example"
  std::string address; // "192.0.2.7", "2001:db8::1"
  std::uint16_t port = 25;
};

// For a recipient of a transaction. Delayed outcomes come without next_attempt_date and will_retry_until: the scheduler
// knows those. `again` has no outcome: it must not be passed here.
[[nodiscard]] spool::Outcome verdict(const RecipientResult& result, const Peer& peer, bool retry_indeterminate, Wall now);

// For a session that could not be set up with any host: 5yz greetings everywhere are final, all else is delayed.
[[nodiscard]] spool::Outcome verdict(const Trouble& trouble, const Peer& peer, bool every_host_refused, Wall now);

// For a local or DNS cause: "x-bulkmail; <text>".
[[nodiscard]] spool::Outcome local_outcome(spool::Action action, spool::Source source, std::string status,
                                           std::string text, Wall now);

// Printable form of foreign text: control bytes as \xHH, at most 1000 octets.
[[nodiscard]] std::string printable(std::string_view text);

} // namespace bulkmail::transport
