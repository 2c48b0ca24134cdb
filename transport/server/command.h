// One command line of a mail client, taken apart (RFC 5321 §4.1). Addresses and parameters are read as in a
// drop (spool/drop/parameters.h); what a client gets to hear about them is decided here.
#pragma once

#include "spool/drop/parameters.h"
#include "spool/envelope.h"

#include <expected>
#include <optional>
#include <string>
#include <string_view>

namespace bulkmail::transport {

struct Command {
  std::string verb;          // upper case
  std::string_view argument; // what follows it, without white space at its ends
};

// None: the line is no command: control octets, no verb.
[[nodiscard]] std::optional<Command> parse_command(std::string_view line);

// MAIL's argument into a fresh envelope, which is to be thrown away after an error. The error is the reply's
// line.
[[nodiscard]] std::expected<void, std::string> parse_mail(std::string_view argument,
                                                          spool::EnvelopeBuilder& into);

struct RcptCommand {
  std::string_view recipient; // without angle brackets
  spool::RcptParameters parameters;
};

// `smtp_utf8`: MAIL said so, addresses may be more than ASCII. The error is the reply's line.
[[nodiscard]] std::expected<RcptCommand, std::string> parse_rcpt(std::string_view argument, bool smtp_utf8);

} // namespace bulkmail::transport
