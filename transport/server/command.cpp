#include "transport/server/command.h"

#include "spool/ascii.h"

#include <algorithm>

namespace bulkmail::transport {
namespace {

constexpr std::string_view white_space = " \t";

bool ascii(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

std::string_view trimmed(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(white_space), text.size()));
  return text.substr(0, text.find_last_not_of(white_space) + 1);
}

// "FROM:<address> parameters". A drop may leave the angle brackets out, a client may not. None: it isn't
// that.
std::optional<spool::PathAndRest> take_path(std::string_view argument, std::string_view keyword) {
  if (!spool::starts_without_case(argument, keyword)) return std::nullopt;
  argument = trimmed(argument.substr(keyword.size())); // RFC 5321 §3.3 forbids a space here; many send one
  if (!argument.starts_with('<')) return std::nullopt;
  const auto path = spool::split_path(argument);
  const std::size_t close = 1 + path.address.size();
  if (close >= argument.size() || argument[close] != '>') return std::nullopt;
  return path;
}

std::unexpected<std::string> wrong(const spool::ParameterProblem& problem) {
  const auto* const code = problem.code == "unknown-parameter" ? "555 5.5.4 " : "501 5.5.4 ";
  return std::unexpected(code + problem.text);
}

} // namespace

std::optional<Command> parse_command(std::string_view line) {
  const auto control = [](char c) {
    return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f;
  };
  if (std::ranges::any_of(line, control)) return std::nullopt;
  Command command;
  command.verb = line.substr(0, line.find_first_of(white_space));
  command.argument = trimmed(line.substr(command.verb.size()));
  for (char& c : command.verb) {
    const char small = spool::lower(c);
    if (small < 'a' || small > 'z') return std::nullopt;
    c = static_cast<char>(small - 'a' + 'A');
  }
  if (command.verb.empty()) return std::nullopt;
  return command;
}

std::expected<void, std::string> parse_mail(std::string_view argument, spool::EnvelopeBuilder& into) {
  const auto path = take_path(argument, "FROM:");
  if (!path) return std::unexpected("501 5.5.4 syntax: MAIL FROM:<address>");
  auto& envelope = into.envelope;
  if (const auto taken = take_mail_parameters(path->rest, envelope); !taken) return wrong(taken.error());
  // A drop may say so; the socket offers neither BDAT nor TLS (RFC 3030, RFC 8689).
  if (envelope.body == spool::Body::binary_mime || envelope.require_tls)
    return std::unexpected("555 5.5.4 BINARYMIME and REQUIRETLS are not offered here");
  // A template that is found wrong by the claim would be refused when it was accepted already.
  if (envelope.merge) return std::unexpected("555 5.5.4 XMERGE is not offered here");
  if (!path->address.empty() && !spool::parse_mailbox(path->address))
    return std::unexpected("501 5.1.7 malformed sender address");
  if (!envelope.smtp_utf8 && !ascii(path->address))
    return std::unexpected("553 5.6.7 this address needs SMTPUTF8");
  into.sender(path->address);
  return {};
}

std::expected<RcptCommand, std::string> parse_rcpt(std::string_view argument, bool smtp_utf8) {
  const auto path = take_path(argument, "TO:");
  if (!path) return std::unexpected("501 5.5.4 syntax: RCPT TO:<address>");
  RcptCommand rcpt{path->address, {}};
  if (const auto taken = take_rcpt_parameters(path->rest, rcpt.parameters); !taken)
    return wrong(taken.error());
  if (rcpt.parameters.merge) return std::unexpected("555 5.5.4 XMERGE is not offered here");
  if (!spool::parse_mailbox(rcpt.recipient)) return std::unexpected("501 5.1.3 malformed recipient address");
  if (!smtp_utf8 && !ascii(rcpt.recipient)) return std::unexpected("553 5.6.7 this address needs SMTPUTF8");
  return rcpt;
}

} // namespace bulkmail::transport
