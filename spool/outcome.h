// What became of one recipient in one attempt (RFC 3464 §2.3 fields, RFC 3463 codes).
#pragma once

#include "spool/time.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace bulkmail::spool {

enum class Action : std::uint8_t {
  queued,    // not tried yet
  relayed,   // a remote SMTP server answered the end of data with 2yz
  delivered, // final delivery: LMTP, pipe, file
  failed,    // will never be tried again
  delayed,   // will be tried again
};

// Where the cause of an outcome lies.
enum class Source : std::uint8_t { none, remote, dns, network, tls, policy, local, expired };

struct TlsInfo {
  std::string version; // "TLSv1.3"
  std::string cipher;
  std::string policy; // "none", "opportunistic", "encrypt", "require", "dane", "mta-sts"
  bool verified = false;

  bool operator==(const TlsInfo&) const = default;
};

// Shared by all recipients that an attempt answered alike; immutable once journalled.
struct Outcome {
  Action action = Action::queued;
  Source source = Source::none;
  bool indeterminate = false; // the connection was lost between the end of data and its reply
  bool attempted = true;      // counts as an attempt (not: expiry, an address malformed at claim)
  bool dsn_taken_over = false; // relayed to a host that knows DSN: what the sender is to be told is its business now
  std::string status;         // RFC 3463: "2.0.0"
  std::string diagnostic_code; // "smtp; 250 2.0.0 Ok", "x-bulkmail; no such domain"; printable ASCII or UTF-8
  std::string remote_mta;      // "mx1.d1.example", no "dns; "; empty: none
  std::string remote_address;  // "192.0.2.7"; empty: none
  std::uint16_t remote_port = 0;
  std::optional<TlsInfo> tls;
  std::optional<Wall> last_attempt_date;
  std::optional<Wall> next_attempt_date; // only when delayed
  std::optional<Wall> will_retry_until;  // only when delayed

  bool operator==(const Outcome&) const = default;
};

[[nodiscard]] constexpr bool is_final(Action a) {
  return a == Action::relayed || a == Action::delivered || a == Action::failed;
}

[[nodiscard]] std::string_view to_string(Action action); // "relayed"
[[nodiscard]] std::string_view to_string(Source source); // "remote"; "" for none

} // namespace bulkmail::spool
