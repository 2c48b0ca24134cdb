#include "transport/server/command.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <functional>
#include <span>
#include <utility>

namespace bulkmail::transport {
namespace {

constexpr std::string_view white_space = " \t";
constexpr std::size_t max_envid = 100; // RFC 3461 §4.4
constexpr std::size_t max_orcpt = 500; // RFC 3461 §4.2

std::unexpected<std::string> refuse(std::string_view reply) { return std::unexpected(std::string(reply)); }

char upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }

std::string upper(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](char c) { return upper(c); });
  return out;
}

bool same(std::string_view text, std::string_view upper_case) {
  return std::ranges::equal(text, upper_case, {}, [](char c) { return upper(c); });
}

bool ascii(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

std::string_view trimmed(std::string_view text) {
  const auto first = std::min(text.find_first_not_of(white_space), text.size());
  text.remove_prefix(first);
  return text.substr(0, text.find_last_not_of(white_space) + 1);
}

// RFC 3461 §4: printable ASCII, "+" and two hex digits for the rest.
bool is_xtext(std::string_view text) {
  const auto hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F'); };
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c < '!' || c > '~' || c == '=') return false;
    if (c != '+') continue;
    if (i + 2 >= text.size() || !hex(text[i + 1]) || !hex(text[i + 2])) return false;
    i += 2;
  }
  return true;
}

// Takes "FROM:<path>" off the front and answers the path, without brackets and without a source route (RFC
// 5321 §4.1.2: accepted and ignored). None: it isn't one.
std::optional<std::string_view> take_path(std::string_view& argument, std::string_view keyword) {
  if (argument.size() < keyword.size() || !same(argument.substr(0, keyword.size()), keyword))
    return std::nullopt;
  argument.remove_prefix(keyword.size());
  // RFC 5321 §3.3 forbids a space here; many send one.
  argument.remove_prefix(std::min(argument.find_first_not_of(white_space), argument.size()));
  if (!argument.starts_with('<')) return std::nullopt;
  bool in_quotes = false;
  for (std::size_t i = 1; i < argument.size(); ++i) {
    const char c = argument[i];
    if (in_quotes && c == '\\') {
      ++i;
    } else if (c == '"') {
      in_quotes = !in_quotes;
    } else if (c == '>' && !in_quotes) {
      auto path = argument.substr(1, i - 1);
      argument.remove_prefix(i + 1);
      if (!argument.empty() && !white_space.contains(argument.front())) return std::nullopt;
      if (path.starts_with('@'))
        if (const auto colon = path.find(':'); colon != std::string_view::npos) path.remove_prefix(colon + 1);
      return path;
    }
  }
  return std::nullopt;
}

struct Parameter {
  std::string_view keyword;
  std::optional<std::string_view> value; // "" after a "=" without more
};

std::optional<Parameter> take_parameter(std::string_view& rest) {
  rest = trimmed(rest);
  if (rest.empty()) return std::nullopt;
  const auto word = rest.substr(0, rest.find_first_of(white_space));
  rest.remove_prefix(word.size());
  const auto equals = word.find('=');
  if (equals == std::string_view::npos) return Parameter{word, std::nullopt};
  return Parameter{word.substr(0, equals), word.substr(equals + 1)};
}

// One keyword that a command takes; its reader answers whether the value makes sense.
struct Taker {
  std::string_view keyword;
  std::function<bool(std::optional<std::string_view>)> read;
  bool seen = false;
};

// The reply to what is wrong; "" if nothing is.
std::string read_parameters(std::string_view rest, std::span<Taker> takers) {
  while (const auto parameter = take_parameter(rest)) {
    const auto taker =
        std::ranges::find_if(takers, [&](auto& t) { return same(parameter->keyword, t.keyword); });
    if (taker == takers.end()) return "555 5.5.4 unknown parameter";
    if (std::exchange(taker->seen, true)) return "501 5.5.4 parameter given twice";
    if (!taker->read(parameter->value)) return "501 5.5.4 malformed parameter";
  }
  return {};
}

bool read_size(std::optional<std::string_view> value, std::optional<std::uint64_t>& size) {
  if (!value || value->empty() || value->size() > 20) return false; // RFC 1870 §3: up to 20 digits
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(value->data(), value->data() + value->size(), number);
  if (error != std::errc{} || end != value->data() + value->size()) return false;
  size = number;
  return true;
}

bool read_body(std::optional<std::string_view> value, spool::Body& body) {
  if (!value) return false;
  if (same(*value, "7BIT"))
    body = spool::Body::seven_bit;
  else if (same(*value, "8BITMIME"))
    body = spool::Body::eight_bit_mime;
  else
    return false;
  return true;
}

bool read_ret(std::optional<std::string_view> value, spool::Ret& ret) {
  if (!value) return false;
  if (same(*value, "FULL"))
    ret = spool::Ret::full;
  else if (same(*value, "HDRS"))
    ret = spool::Ret::headers;
  else
    return false;
  return true;
}

// XVERP or XVERP=xy, two characters that Postfix's verp_delimiter_filter lets through.
bool read_verp(std::optional<std::string_view> value, std::optional<spool::Verp>& verp) {
  constexpr std::string_view allowed = "-=+";
  verp.emplace();
  if (!value) return true;
  if (value->size() != 2 || !allowed.contains((*value)[0]) || !allowed.contains((*value)[1])) return false;
  verp = spool::Verp{(*value)[0], (*value)[1]};
  return true;
}

bool read_notify(std::optional<std::string_view> value, spool::Notify& notify) {
  if (!value) return false;
  notify.given = true;
  for (std::string_view rest = *value;;) {
    const auto word = rest.substr(0, rest.find(','));
    if (same(word, "NEVER"))
      notify.never = true;
    else if (same(word, "SUCCESS"))
      notify.success = true;
    else if (same(word, "FAILURE"))
      notify.failure = true;
    else if (same(word, "DELAY"))
      notify.delay = true;
    else
      return false;
    if (word.size() == rest.size()) break;
    rest.remove_prefix(word.size() + 1);
  }
  return !notify.never || !(notify.success || notify.failure || notify.delay); // NEVER stands alone
}

bool read_orcpt(std::optional<std::string_view> value, std::string_view& orcpt) {
  if (!value || value->size() > max_orcpt) return false;
  const auto semicolon = value->find(';');
  if (semicolon == 0 || semicolon == std::string_view::npos || semicolon + 1 == value->size()) return false;
  // utf-8 addresses need no xtext under SMTPUTF8 (RFC 6533 §3); others do.
  if (!same(value->substr(0, semicolon), "UTF-8") && !is_xtext(value->substr(semicolon + 1))) return false;
  orcpt = *value;
  return true;
}

} // namespace

std::optional<Command> parse_command(std::string_view line) {
  const auto control = [](char c) {
    return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f;
  };
  if (std::ranges::any_of(line, control)) return std::nullopt;
  const auto verb = line.substr(0, line.find_first_of(white_space));
  const auto letter = [](char c) { return upper(c) >= 'A' && upper(c) <= 'Z'; };
  if (verb.empty() || !std::ranges::all_of(verb, letter)) return std::nullopt;
  return Command{upper(verb), trimmed(line.substr(verb.size()))};
}

std::expected<MailCommand, std::string> parse_mail(std::string_view argument) {
  const auto sender = take_path(argument, "FROM:");
  if (!sender) return refuse("501 5.5.4 syntax: MAIL FROM:<address>");
  MailCommand mail;
  mail.sender = *sender;
  std::array takers{
      Taker{"SIZE", [&](auto value) { return read_size(value, mail.size); }},
      Taker{"BODY", [&](auto value) { return read_body(value, mail.body); }},
      Taker{"SMTPUTF8", [&](auto value) { return mail.smtp_utf8 = !value; }},
      Taker{"RET", [&](auto value) { return read_ret(value, mail.ret); }},
      Taker{"ENVID",
            [&](auto value) {
              mail.envid = value.value_or("");
              return !mail.envid.empty() && mail.envid.size() <= max_envid && is_xtext(mail.envid);
            }},
      Taker{"XVERP", [&](auto value) { return read_verp(value, mail.verp); }},
  };
  if (auto problem = read_parameters(argument, takers); !problem.empty()) return refuse(problem);
  if (!mail.sender.empty() && !spool::parse_mailbox(mail.sender))
    return refuse("501 5.1.7 malformed sender address");
  if (!mail.smtp_utf8 && !ascii(mail.sender)) return refuse("553 5.6.7 this address needs SMTPUTF8");
  return mail;
}

std::expected<RcptCommand, std::string> parse_rcpt(std::string_view argument, bool smtp_utf8) {
  const auto recipient = take_path(argument, "TO:");
  if (!recipient) return refuse("501 5.5.4 syntax: RCPT TO:<address>");
  RcptCommand rcpt;
  rcpt.recipient = *recipient;
  std::array takers{
      Taker{"NOTIFY", [&](auto value) { return read_notify(value, rcpt.notify); }},
      Taker{"ORCPT", [&](auto value) { return read_orcpt(value, rcpt.orcpt); }},
  };
  if (auto problem = read_parameters(argument, takers); !problem.empty()) return refuse(problem);
  if (!spool::parse_mailbox(rcpt.recipient)) return refuse("501 5.1.3 malformed recipient address");
  if (!smtp_utf8 && !ascii(rcpt.recipient)) return refuse("553 5.6.7 this address needs SMTPUTF8");
  return rcpt;
}

} // namespace bulkmail::transport
