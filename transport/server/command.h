// One command line of a mail client, taken apart (RFC 5321 §4.1, RFC 1870, 6152, 6531, 3461; XVERP as Postfix
// has it).
#pragma once

#include "spool/envelope.h"

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

namespace bulkmail::transport {

struct Command {
  std::string verb;          // upper case
  std::string_view argument; // what follows the first space, without white space at its ends
};

// None: the line is no command: control bytes, no verb.
[[nodiscard]] std::optional<Command> parse_command(std::string_view line);

// MAIL's argument. The error is the whole reply line.
struct MailCommand {
  std::string_view sender; // without angle brackets; "" is the null sender
  spool::Body body = spool::Body::unspecified;
  spool::Ret ret = spool::Ret::unspecified;
  bool smtp_utf8 = false;
  std::optional<std::uint64_t> size;
  std::string_view envid; // xtext
  std::optional<spool::Verp> verp;
};

[[nodiscard]] std::expected<MailCommand, std::string> parse_mail(std::string_view argument);

struct RcptCommand {
  std::string_view recipient;
  spool::Notify notify;
  std::string_view orcpt; // "rfc822;" and xtext
};

// `smtp_utf8`: MAIL said so, addresses may be more than ASCII.
[[nodiscard]] std::expected<RcptCommand, std::string> parse_rcpt(std::string_view argument, bool smtp_utf8);

} // namespace bulkmail::transport
