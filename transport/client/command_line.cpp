#include "transport/client/command_line.h"

#include "transport/client/suitable.h"

#include <fmt/format.h>

#include <iterator>

namespace bulkmail::transport {

namespace {

void append_notify(std::string& out, const spool::Notify& notify) {
  if (!notify.never && !notify.success && !notify.failure && !notify.delay) return;
  char separator = '=';
  out += " NOTIFY";
  const auto add = [&](bool wanted, std::string_view word) {
    if (!wanted) return;
    out += separator;
    out += word;
    separator = ',';
  };
  add(notify.never, "NEVER"); // stands alone (RFC 3461 §4.1)
  add(notify.success && !notify.never, "SUCCESS");
  add(notify.failure && !notify.never, "FAILURE");
  add(notify.delay && !notify.never, "DELAY");
}

void append_value(std::string& out, std::string_view name, std::string_view value) {
  if (!value.empty() && is_parameter_value(value)) out.append(name).append(value);
}

} // namespace

void append_mail(std::string& out, const Transaction& transaction, const Offer& offer) {
  out.append("MAIL FROM:<").append(transaction.sender).append(">");
  if (offer.size) fmt::format_to(std::back_inserter(out), " SIZE={}", transaction.size);
  if (offer.eight_bit_mime && transaction.eight_bit) out += " BODY=8BITMIME";
  if (offer.smtp_utf8 && transaction.needs_smtp_utf8) out += " SMTPUTF8";
  if (offer.dsn) {
    if (transaction.ret == spool::Ret::full) out += " RET=FULL";
    if (transaction.ret == spool::Ret::headers) out += " RET=HDRS";
    append_value(out, " ENVID=", transaction.envid);
  }
  out += "\r\n";
}

void append_rcpt(std::string& out, const TransactionRecipient& recipient, const Offer& offer) {
  out.append("RCPT TO:<").append(recipient.address).append(">");
  if (offer.dsn) {
    append_notify(out, recipient.notify);
    append_value(out, " ORCPT=", recipient.orcpt);
  }
  out += "\r\n";
}

} // namespace bulkmail::transport
