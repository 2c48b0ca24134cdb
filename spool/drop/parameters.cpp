#include "spool/drop/parameters.h"

#include "spool/ascii.h"

#include <fmt/format.h>

#include <charconv>
#include <iterator>
#include <utility>

namespace bulkmail::spool {
namespace {

constexpr std::size_t max_envid = 100; // RFC 3461 §4.4
constexpr std::size_t max_orcpt = 500; // RFC 3461 §4.2

using Value = std::optional<std::string_view>; // none: no "=" at all

// One parameter: how its value is taken (false: it is wrong) and what is right.
template <class Into>
struct Parameter {
  std::string_view name;
  bool (*take)(Value value, Into& into);
  std::string_view right;
};

template <class Number>
bool take_number(std::string_view text, Number& into) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), into);
  return error == std::errc() && end == text.data() + text.size();
}

// RFC 3461 §4: printable ASCII but "+" and "=", or "+" and two upper-case hex digits. It is passed on as it came.
bool is_xtext(std::string_view text) {
  constexpr std::string_view hex = "0123456789ABCDEF";
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] <= ' ' || text[i] > '~' || text[i] == '=') return false;
    if (text[i] != '+') continue;
    if (text.size() - i < 3 || hex.find(text[i + 1]) == hex.npos || hex.find(text[i + 2]) == hex.npos)
      return false;
    i += 2;
  }
  return true;
}

// RFC 6533 §3: what "utf-8;" may hold beside xtext's octets.
bool is_utf8_address(std::string_view text) {
  for (const char c : text)
    if ((c >= '\0' && c <= ' ') || c == 0x7f) return false;
  return valid_utf8(text);
}

bool take_orcpt(Value value, RcptParameters& into) {
  if (!value || value->size() > max_orcpt) return false;
  const std::size_t semicolon = value->find(';');
  if (semicolon == value->npos || semicolon == 0 || !is_xtext(value->substr(0, semicolon))) return false;
  const std::string_view address = value->substr(semicolon + 1);
  const bool utf8 = equal_without_case(value->substr(0, semicolon), "utf-8");
  into.orcpt = *value;
  return !address.empty() && (utf8 ? is_utf8_address(address) : is_xtext(address));
}

bool take_notify(Value value, RcptParameters& into) {
  if (!value) return false;
  Notify& notify = into.notify;
  notify.given = true;
  for (std::string_view rest = *value;;) {
    const std::size_t comma = rest.find(',');
    const std::string_view word = rest.substr(0, comma);
    if (equal_without_case(word, "never"))
      notify.never = true;
    else if (equal_without_case(word, "success"))
      notify.success = true;
    else if (equal_without_case(word, "failure"))
      notify.failure = true;
    else if (equal_without_case(word, "delay"))
      notify.delay = true;
    else
      return false;
    if (comma == rest.npos) break;
    rest.remove_prefix(comma + 1);
  }
  return !notify.never || !(notify.success || notify.failure || notify.delay);
}

bool take_size(Value value, Envelope& into) {
  return value && take_number(*value, into.declared_size.emplace());
}

bool take_body(Value value, Envelope& into) {
  if (!value) return false;
  if (equal_without_case(*value, "7bit"))
    into.body = Body::seven_bit;
  else if (equal_without_case(*value, "8bitmime"))
    into.body = Body::eight_bit_mime;
  else if (equal_without_case(*value, "binarymime"))
    into.body = Body::binary_mime;
  else
    return false;
  return true;
}

bool take_ret(Value value, Envelope& into) {
  if (!value) return false;
  if (equal_without_case(*value, "full"))
    into.ret = Ret::full;
  else if (equal_without_case(*value, "hdrs"))
    into.ret = Ret::headers;
  else
    return false;
  return true;
}

bool take_envid(Value value, Envelope& into) {
  if (!value || value->empty() || value->size() > max_envid || !is_xtext(*value)) return false;
  into.envid = *value;
  return true;
}

bool take_smtp_utf8(Value value, Envelope& into) { return into.smtp_utf8 = !value; }

bool take_require_tls(Value value, Envelope& into) { return into.require_tls = !value; }

bool take_merge(Value value, Envelope& into) { return into.merge = !value; }

bool take_notices(Value value, Envelope& into) { return into.notices = !value; }

bool take_merge_object(Value value, RcptParameters& into) {
  into.merge = value;
  return value.has_value();
}

bool take_priority(Value value, Envelope& into) {
  int& priority = into.mt_priority.emplace();
  return value && take_number(*value, priority) && priority >= -9 && priority <= 9;
}

// Two characters that may stand in a local part as they are, so that the sender stays a plain one.
bool take_verp(Value value, Envelope& into) {
  Verp& verp = into.verp.emplace();
  if (!value) return true;
  if (value->size() != 2 || quoted_local(*value) != *value) return false;
  verp = {(*value)[0], (*value)[1]};
  return true;
}

constexpr Parameter<Envelope> mail_parameters[] = {
    {"SIZE", take_size, "SIZE=<octets>"},
    {"BODY", take_body, "BODY=7BIT, 8BITMIME or BINARYMIME"},
    {"SMTPUTF8", take_smtp_utf8, "SMTPUTF8 without a value"},
    {"RET", take_ret, "RET=FULL or RET=HDRS"},
    {"ENVID", take_envid, "ENVID=<1 to 100 octets of xtext>"},
    {"XVERP", take_verp, "XVERP or XVERP=<two characters of a local part>"},
    {"XMERGE", take_merge, "XMERGE without a value"},
    {"XDSN", take_notices, "XDSN without a value"},
    {"REQUIRETLS", take_require_tls, "REQUIRETLS without a value"},
    {"MT-PRIORITY", take_priority, "MT-PRIORITY=<-9 to 9>"},
};

constexpr Parameter<RcptParameters> rcpt_parameters[] = {
    {"NOTIFY", take_notify, "NOTIFY=NEVER, or a list of SUCCESS, FAILURE and DELAY"},
    {"ORCPT", take_orcpt, "ORCPT=<type>;<xtext>"},
    {"XMERGE", take_merge_object, "XMERGE=<base64 of a JSON object>"},
};

template <class Into, std::size_t count>
std::expected<void, ParameterProblem> take_each(std::string_view text, std::string_view verb,
                                                const Parameter<Into> (&table)[count], Into& into) {
  bool given[count] = {};
  while (true) {
    text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
    if (text.empty()) return {};
    const std::string_view word = text.substr(0, text.find(' '));
    text.remove_prefix(word.size());
    const std::size_t equals = word.find('=');
    const std::string_view name = word.substr(0, equals);
    const auto* const known =
        std::ranges::find_if(table, [&](const auto& one) { return equal_without_case(one.name, name); });
    if (known == std::end(table))
      return std::unexpected(ParameterProblem{
          "unknown-parameter", fmt::format("{} has no parameter \"{}\" here", verb, excerpt(name))});
    if (std::exchange(given[known - table], true))
      return std::unexpected(
          ParameterProblem{"bad-parameter", fmt::format("{} is given twice", known->name)});
    if (!known->take(equals == word.npos ? Value() : word.substr(equals + 1), into))
      return std::unexpected(ParameterProblem{
          "bad-parameter", fmt::format("\"{}\" is not right; right is {}", excerpt(word), known->right)});
  }
}

// The first of `wanted` outside a quoted string.
std::size_t find_unquoted(std::string_view text, char wanted) {
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (quoted && text[i] == '\\')
      ++i;
    else if (text[i] == '"')
      quoted = !quoted;
    else if (text[i] == wanted && !quoted)
      return i;
  }
  return text.npos;
}

} // namespace

PathAndRest split_path(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  if (!text.starts_with('<')) {
    const std::size_t end = std::min(find_unquoted(text, ' '), text.size());
    return {text.substr(0, end), text.substr(end)};
  }
  std::size_t close = find_unquoted(text, '>');
  if (close == text.npos || (close + 1 < text.size() && text[close + 1] != ' ')) {
    // Malformed. It goes as far as a bracket that looks like its end, so that it fails alone.
    close = text.find("> ");
    if (close == text.npos && text.ends_with('>')) close = text.size() - 1;
    if (close == text.npos) return {text, {}};
  }
  return {text.substr(1, close - 1), text.substr(close + 1)};
}

std::expected<void, ParameterProblem> take_mail_parameters(std::string_view text, Envelope& envelope) {
  return take_each(text, "MAIL", mail_parameters, envelope);
}

std::expected<void, ParameterProblem> take_rcpt_parameters(std::string_view text, RcptParameters& taken) {
  return take_each(text, "RCPT", rcpt_parameters, taken);
}

std::string excerpt(std::string_view text) {
  constexpr std::size_t enough = 60;
  std::string shown(text.substr(0, enough));
  for (char& c : shown)
    if (c < ' ' || c > '~') c = '?';
  if (text.size() > enough) shown += "...";
  return shown;
}

} // namespace bulkmail::spool
