#include "agent/queue/route_rule.h"

#include "agent/queue/destination.h"
#include "agent/queue/pattern.h"

#include <fmt/format.h>

#include <algorithm>

namespace bulkmail::agent {
namespace {

using transport::Mechanism;
using transport::kinds::Kind;

std::string judge_sessions(const RouteRule& rule, const Kind& kind) {
  const bool socket = rule.to.starts_with("unix:");
  const bool lmtp = kind.sessions == Kind::Sessions::lmtp;
  if (lmtp && rule.to.empty()) return "lmtp needs a to, \"unix:/path\" or \"[host]:24\"";
  if (!lmtp && socket) return "only lmtp goes to a unix socket";
  if (socket && (rule.tls.value_or(transport::TlsLevel::off) != transport::TlsLevel::off ||
                 rule.implicit_tls.value_or(false)))
    return "there is no TLS on a unix socket";
  if (rule.implicit_tls.value_or(false) && rule.tls == transport::TlsLevel::off)
    return "implicit_tls and tls = \"off\" exclude each other";
  const bool password = !rule.password_file.empty(), token = !rule.token_file.empty();
  if (rule.username.empty() && (password || token || !rule.auth.empty() || rule.auth_without_tls))
    return "who is to prove himself needs a username";
  if (!rule.username.empty() && !password && !token)
    return "a username needs a password_file or a token_file";
  if (!rule.username.empty() && rule.to.empty())
    return "a username needs a to: a password is for one relay, not for any domain's MX";
  for (const auto mechanism : rule.auth)
    if (mechanism == Mechanism::xoauth2 ? !token : !password)
      return fmt::format("auth names a mechanism that needs a {}",
                         mechanism == Mechanism::xoauth2 ? "token_file" : "password_file");
  return {};
}

} // namespace

std::string judge_route_pattern(std::string_view text) {
  return text == "*" ? "" : judge_domain_pattern(text);
}

std::string judge_route(const RouteRule& rule) {
  const Kind* kind = transport::kinds::find_kind(rule.transport);
  if (rule.match.empty()) return "an entry of [[route]] needs a match";
  for (const auto& [name, value] : rule.options)
    if (std::ranges::find(kind->options, name, &transport::kinds::Option::name) == kind->options.end())
      return fmt::format("transport {} has no {}", rule.transport, name);
  if (kind->sessions != Kind::Sessions::none) return judge_sessions(rule, *kind);
  RouteRule bare;
  bare.match = rule.match;
  bare.transport = rule.transport;
  bare.options = rule.options;
  if (rule != bare)
    return fmt::format("transport {} goes to no host: it has no to, tls or username", rule.transport);
  const auto made = kind->make(rule.options);
  return made ? "" : made.error();
}

} // namespace bulkmail::agent
