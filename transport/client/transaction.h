// One transaction, MAIL to end of data, as the client is asked for it, and the answer for each of its
// recipients.
#pragma once

#include "spool/envelope.h"
#include "transport/reply.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace bulkmail::transport {

struct TransactionRecipient {
  std::string address; // as it goes into RCPT TO, A-label domain already where needed
  spool::Notify notify;
  std::string orcpt; // xtext as given
};

struct Transaction {
  std::string sender;
  std::vector<TransactionRecipient> recipients;
  std::uint64_t size = 0; // wire octets, for SIZE=
  bool eight_bit = false; // content has octets over 127
  bool needs_smtp_utf8 = false;
  spool::Body body = spool::Body::unspecified;
  spool::Ret ret = spool::Ret::unspecified;
  std::string envid; // xtext as given
};

// At which point of the dialog something was decided.
enum class Stage : std::uint8_t {
  connect,
  greeting,
  ehlo,
  starttls,
  tls, // its handshake
  auth,
  mail,
  rcpt,
  data,
  content,
  end_of_data,
  rset,
  quit
};
[[nodiscard]] std::string_view to_string(Stage stage); // "MAIL FROM", "end of data", …

// The answer for one recipient. Either a reply of the peer's, or a trouble of the session, or a local reason.
struct RecipientResult {
  enum class Kind : std::uint8_t {
    accepted, // end of data answered 2yz
    refused,  // `reply` is 4yz or 5yz, for this recipient or for the whole transaction
    again,    // too many recipients (452/552 4.5.3): goes into a new transaction at once
    lost,     // connection lost, timed out or out of step before the end of data was sent; `text` says how
    indeterminate, // lost after the end of data was sent and before its reply
    unsuitable,    // never sent: over SIZE (5.3.4), needs SMTPUTF8 (5.6.7), 8-bit refused (5.6.3); `text`,
                   // `enhanced`
  } kind = Kind::lost;
  Stage stage = Stage::connect;
  SharedReply reply; // shared by all recipients that one reply answered
  std::string text;
  std::string enhanced; // for unsuitable

  // Answered by the same reply or for the same reason: one verdict holds for both.
  bool operator==(const RecipientResult&) const = default;
};

} // namespace bulkmail::transport
