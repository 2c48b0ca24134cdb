#include "spool/notice/notice.h"

#include "spool/drop/submit.h"
#include "spool/mail_date.h"
#include "spool/notice/fields.h"
#include "spool/notice/words.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace bulkmail::spool {
namespace {

constexpr std::size_t max_message_id =
    900; // of the original's, in References: a line has 998 (RFC 5322 §2.1.1)

std::string crlf_lines(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\n') out += '\r';
    out += c;
  }
  return out;
}

// RFC 5321 §4.5.2, of CRLF lines.
void append_stuffed(std::string& out, std::string_view text) {
  bool line_start = true;
  for (const char c : text) {
    if (line_start && c == '.') out += '.';
    out += c;
    line_start = c == '\n';
  }
}

// One body part of the report; said to be 8bit only where it is.
void append_part(std::string& out, std::string_view boundary, std::string_view type,
                 std::string_view description, std::string_view body) {
  fmt::format_to(std::back_inserter(out),
                 "--{}\r\nContent-Type: {}\r\nContent-Description: {}\r\n"
                 "Content-Transfer-Encoding: {}\r\n\r\n{}\r\n",
                 boundary, type, description, is_ascii(body) ? "7bit" : "8bit", body);
}

std::string_view returned_type(bool full, bool utf8) {
  if (full) return utf8 ? "message/global" : "message/rfc822";    // RFC 6532 §3.7
  return utf8 ? "message/global-headers" : "text/rfc822-headers"; // RFC 6533 §6, RFC 6522 §4
}

// With these it belongs to the conversation it is about (RFC 3834 §3.1.5).
void append_references(std::string& out, const std::string& message_id) {
  if (message_id.empty() || message_id.size() > max_message_id || !is_ascii(message_id)) return;
  const std::string id = one_line(message_id, max_message_id);
  fmt::format_to(std::back_inserter(out), "In-Reply-To: {0}\r\nReferences: {0}\r\n", id);
}

std::string report(const Notice& notice, const Returned& returned, bool utf8, std::string_view hostname) {
  const MessageFacts& facts = *notice.facts;
  // No content has its own digest in it, so none has the boundary.
  const std::string digest = to_string(facts.digest).substr(std::string_view("sha256:").size());
  const std::string boundary = fmt::format("={}.{}", digest.substr(0, 40), notice.serial);
  std::string parts;
  append_part(parts, boundary, "text/plain; charset=utf-8", "What happened",
              crlf_lines(human_part(notice, returned.full, hostname)));
  append_part(parts, boundary, utf8 ? "message/global-delivery-status" : "message/delivery-status",
              "What happened, for programs", delivery_status(notice, utf8, hostname));
  append_part(parts, boundary, returned_type(returned.full, utf8),
              returned.full ? "The message" : "The header of the message", returned.text);

  std::string out = fmt::format(
      "From: Mail Delivery System <MAILER-DAEMON@{0}>\r\nTo: <{1}>\r\nSubject: {2}\r\nDate: {3}\r\n"
      "Message-ID: <{4}.{5}@{0}>\r\n",
      hostname, facts.envelope.sender(), subject_of(notice.kind), mail_date(notice.time),
      notice_id(facts.number, notice.serial), digest.substr(0, 16));
  append_references(out, facts.message_id);
  fmt::format_to(std::back_inserter(out),
                 "Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n"
                 "Content-Type: multipart/report; report-type={}delivery-status;\r\n boundary=\"{}\"\r\n"
                 "Content-Transfer-Encoding: {}\r\n\r\n"
                 "This is a report in MIME format (RFC 3464).\r\n\r\n{}--{}--\r\n",
                 utf8 ? "global-" : "", boundary, is_ascii(parts) ? "7bit" : "8bit", parts, boundary);
  return out;
}

} // namespace

std::string notice_id(std::uint64_t message, std::uint32_t serial) {
  return fmt::format("notice.{}-{}", message, serial);
}

std::string render_notice(const Notice& notice, const Returned& returned, std::string_view hostname) {
  // Where the sender's address is UTF-8 the notice can only go where all of it may be.
  const bool utf8 = !is_ascii(notice.facts->envelope.sender());
  EnvelopeBuilder builder;
  builder.sender("");
  Notify nothing; // RFC 3461 §6.1: of a notice at most this may be asked
  nothing.given = nothing.never = true;
  builder.recipient(notice.facts->envelope.sender(), nothing);
  const std::string content = report(notice, returned, utf8, hostname);
  builder.envelope.smtp_utf8 = utf8;
  builder.envelope.body = is_ascii(content) ? Body::seven_bit : Body::eight_bit_mime;
  std::string drop = bsmtp_head(builder.take());
  drop.reserve(drop.size() + content.size() + content.size() / 64);
  append_stuffed(drop, content);
  return drop += ".\r\n";
}

} // namespace bulkmail::spool
