#include "spool/status/recipient_fields.h"

#include "spool/bounce/bounce_class.h"

#include <algorithm>

namespace bulkmail::spool {
namespace {

int hex_value(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
  return -1; // RFC 3461 has upper case only
}

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

// ORCPT's "type;xtext" as RFC 3464 §2.3.1 writes it: "type; text".
void append_original_recipient(std::string& out, std::string_view orcpt) {
  const std::size_t semicolon = orcpt.find(';');
  if (semicolon == std::string_view::npos) {
    out += "null";
    return;
  }
  out += '"';
  append_json_text(out, orcpt.substr(0, semicolon));
  out += "; ";
  append_json_text(out, decode_xtext(orcpt.substr(semicolon + 1)));
  out += '"';
}

} // namespace

std::string decode_xtext(std::string_view xtext) {
  std::string text;
  text.reserve(xtext.size());
  for (std::size_t at = 0; at < xtext.size(); ++at) {
    if (xtext[at] == '+' && at + 2 < xtext.size()) {
      const int high = hex_value(xtext[at + 1]), low = hex_value(xtext[at + 2]);
      if (high >= 0 && low >= 0) {
        text += static_cast<char>(high * 16 + low);
        at += 2;
        continue;
      }
    }
    text += xtext[at];
  }
  return text;
}

OutcomeFields::OutcomeFields(const Outcome& known) {
  JsonWriter before(before_attempts_);
  before.key("action").string(to_string(known.action));
  before.key("status").text("", known.status);
  before.key("diagnostic_code").text("", known.diagnostic_code);
  before.key("remote_mta").text("dns; ", known.remote_mta);
  before.key("remote_address").text("", known.remote_address);
  before.key("remote_port");
  if (known.remote_port != 0)
    before.number(known.remote_port);
  else
    before.null();
  before.key("tls");
  if (known.tls) {
    before.begin('{').key("version").string(known.tls->version).key("cipher").string(known.tls->cipher);
    before.key("policy").string(known.tls->policy).key("verified").boolean(known.tls->verified).end('}');
  } else {
    before.null();
  }
  before.key("source").text("", to_string(known.source));
  before.key("bounce_class").text("", to_string(bounce_class(known)));

  JsonWriter after(after_attempts_);
  after.key("indeterminate").boolean(known.indeterminate);
  after.key("last_attempt_date").date(known.last_attempt_date);
  after.key("next_attempt_date").date(known.next_attempt_date);
  after.key("will_retry_until").date(known.will_retry_until);
}

void OutcomeFields::append(std::string& out, const Recipient& recipient, unsigned attempts) const {
  out += R"("final_recipient":")";
  out += is_ascii(recipient.address) ? "rfc822; " : "utf-8; "; // RFC 6533 §3
  append_json_text(out, recipient.address);
  out += R"(","original_recipient":)";
  append_original_recipient(out, recipient.orcpt);
  out += ',';
  out += before_attempts_;
  out += R"(,"attempts":)";
  append_decimal(out, attempts);
  out += ',';
  out += after_attempts_;
}

} // namespace bulkmail::spool
