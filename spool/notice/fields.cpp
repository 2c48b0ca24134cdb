#include "spool/notice/fields.h"

#include "spool/bounce/bounce_class.h"
#include "spool/mail_date.h"
#include "spool/status/recipient_fields.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <optional>

namespace bulkmail::spool {
namespace {

constexpr std::size_t max_line = 78; // RFC 5322 §2.1.1: should
constexpr std::size_t max_address =
    320; // more is no address (RFC 5321 §4.5.3.1.3 has 256); enough to know it by

// One code point of valid UTF-8 at the front of `text`, which is shortened by it.
std::uint32_t take_code_point(std::string_view& text) {
  const auto first = static_cast<unsigned char>(text.front());
  const std::size_t length = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  std::uint32_t point = length == 1 ? first : first & (0x7fU >> length);
  for (std::size_t i = 1; i < length; ++i) point = point << 6 | (static_cast<unsigned char>(text[i]) & 0x3fU);
  text.remove_prefix(length);
  return point;
}

// RFC 6533 §3 utf-8-addr-xtext: ASCII, all else as \x{HEX}.
std::string in_ascii(std::string_view address) {
  std::string out;
  if (!valid_utf8(address)) {
    for (const char c : address) out += static_cast<unsigned char>(c) < 0x80 ? c : '?';
    return out;
  }
  while (!address.empty()) {
    const std::uint32_t point = take_code_point(address);
    if (point < 0x80 && point != '\\')
      out += static_cast<char>(point);
    else
      fmt::format_to(std::back_inserter(out), "\\x{{{:X}}}", point);
  }
  return out;
}

std::string typed_address(std::string_view type, std::string_view address, bool utf8) {
  const std::string line = one_line(address, max_address);
  return fmt::format("{}; {}", type, utf8 || is_ascii(line) ? line : in_ascii(line));
}

// A field, folded before words where its line would be too long.
void append_field(std::string& out, std::string_view name, std::string_view value) {
  out += name;
  out += ':';
  std::size_t used = name.size() + 1;
  while (!value.empty()) {
    const std::string_view word = value.substr(0, value.find(' ', value.find_first_not_of(' ')));
    value.remove_prefix(word.size());
    const std::string_view text = word.substr(std::min(word.find_first_not_of(' '), word.size()));
    if (text.empty()) continue;
    if (used + 1 + text.size() > max_line && used > name.size() + 1) {
      out += "\r\n";
      used = 0;
    }
    out += ' ';
    out += text;
    used += 1 + text.size();
  }
  out += "\r\n";
}

void append_date(std::string& out, std::string_view name, const std::optional<Wall>& when) {
  if (when) append_field(out, name, mail_date(*when));
}

void append_original_recipient(std::string& out, std::string_view orcpt, bool utf8) {
  const std::size_t semicolon = orcpt.find(';');
  if (semicolon == orcpt.npos) return;
  append_field(out, "Original-Recipient",
               typed_address(one_line(orcpt.substr(0, semicolon), max_address),
                             decode_xtext(orcpt.substr(semicolon + 1)), utf8));
}

void append_recipient(std::string& out, const Recipient& recipient, const Outcome& outcome, bool utf8) {
  out += "\r\n";
  append_original_recipient(out, recipient.orcpt, utf8);
  append_field(out, "Final-Recipient",
               typed_address(is_ascii(recipient.address) ? "rfc822" : "utf-8", recipient.address, utf8));
  append_field(out, "Action", to_string(outcome.action));
  append_field(out, "Status", outcome.status);
  if (!outcome.remote_mta.empty()) append_field(out, "Remote-MTA", "dns; " + outcome.remote_mta);
  if (!outcome.diagnostic_code.empty()) {
    const std::string line = one_line(outcome.diagnostic_code, outcome.diagnostic_code.size());
    append_field(out, "Diagnostic-Code", utf8 ? line : in_ascii(line));
  }
  append_date(out, "Last-Attempt-Date", outcome.last_attempt_date);
  append_date(out, "Will-Retry-Until", outcome.will_retry_until);
  if (const BounceClass why = bounce_class(outcome); why != BounceClass::none)
    append_field(out, "X-Bulkmail-Bounce-Class", to_string(why));
}

} // namespace

bool is_ascii(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

std::string one_line(std::string_view text, std::size_t most) {
  std::string line(text.substr(0, most));
  for (char& c : line)
    if (static_cast<unsigned char>(c) < ' ' || c == 0x7f) c = '?';
  return line;
}

std::string delivery_status(const Notice& notice, bool utf8, std::string_view hostname) {
  const Envelope& envelope = notice.facts->envelope;
  std::string out;
  append_field(out, "Reporting-MTA", fmt::format("dns; {}", hostname));
  if (!envelope.envid.empty()) {
    const std::string envid = decode_xtext(envelope.envid);
    append_field(out, "Original-Envelope-Id", one_line(envid, envid.size()));
  }
  append_field(out, "Arrival-Date", mail_date(notice.facts->arrival_date));
  for (const NoticeRecipient& one : notice.recipients)
    append_recipient(out, envelope.recipient(one.index), one.outcome.whole(), utf8);
  return out;
}

} // namespace bulkmail::spool
