#include "agent/queue/router.h"

#include "agent/queue/pattern.h"

#include <fmt/format.h>

#include <algorithm>

namespace bulkmail::agent {
namespace {

using transport::kinds::Kind;

constexpr std::uint16_t submissions_port = 465; // TLS from the first octet (RFC 8314 §7.3)

std::shared_ptr<const transport::Credentials> credentials_of(const RouteRule& rule) {
  if (rule.username.empty()) return nullptr;
  transport::Credentials credentials;
  credentials.username = rule.username;
  credentials.password = rule.password;
  credentials.token = rule.token;
  if (!rule.auth.empty()) credentials.allowed = rule.auth;
  credentials.without_tls = rule.auth_without_tls;
  return std::make_shared<const transport::Credentials>(std::move(credentials));
}

std::shared_ptr<const Terms> terms_of(const RouteRule& rule, const Destination& destination,
                                      const Terms& usual) {
  const Kind& kind = *transport::kinds::find_kind(rule.transport);
  Terms terms;
  terms.sessions = kind.sessions;
  if (kind.sessions == Kind::Sessions::none) {
    terms.delivery = *kind.make(rule.options);
    terms.recipients = terms.delivery->recipients();
    terms.tls = transport::TlsLevel::off;
    return agreed(std::move(terms));
  }
  terms.port = destination.port.value_or(kind.port != 0 ? kind.port : usual.port);
  terms.socket = destination.socket;
  const bool smtp = kind.sessions == Kind::Sessions::smtp;
  terms.implicit_tls = rule.implicit_tls.value_or(smtp && terms.port == submissions_port);
  terms.tls = terms.socket.empty() ? rule.tls.value_or(usual.tls) : transport::TlsLevel::off;
  if (terms.implicit_tls && terms.tls == transport::TlsLevel::opportunistic)
    terms.tls = transport::TlsLevel::encrypt; // nobody speaks in clear at such a port
  terms.credentials = credentials_of(rule);
  return agreed(std::move(terms));
}

// The way to something that is no mail host; there is nothing to look up, and nothing that ends.
resolver::Route route_to(std::string site) {
  resolver::Route route;
  route.site_key = resolver::SiteKey::of("transport " + site);
  // One address that stands for it: it is tried once.
  route.hosts.push_back({.name = site, .preference = 0, .addresses = {{}}});
  route.site = std::move(site);
  route.expires = Monotonic::max();
  return route;
}

} // namespace

void Router::set_rules(std::span<const RouteRule> rules, const Terms& usual) {
  rules_.clear();
  by_name_.clear();
  for_all_.reset();
  for (const RouteRule& rule : rules) {
    for (const std::string& text : rule.match) {
      if (text == "*") {
        if (!for_all_) for_all_ = rules_.size();
      } else if (const auto pattern = DomainPattern::parse(text)) {
        by_name_.try_emplace(pattern->name(), rules_.size());
      }
    }
    const auto destination = Destination::parse(rule.to).value_or(Destination{});
    rules_.push_back({destination, terms_of(rule, destination, usual)});
  }
  rules_.push_back({{}, agreed(usual)});
}

// The domain's own name and all that it is below are looked up: what that takes does not depend on the number of entries.
const Router::Rule& Router::rule_for(std::string_view domain) const {
  std::size_t first = for_all_.value_or(rules_.size() - 1);
  if (!by_name_.empty()) {
    const auto look = [&](std::string_view name) {
      if (const auto found = by_name_.find(std::string(name)); found != by_name_.end())
        first = std::min(first, found->second);
    };
    look(domain);
    for (auto dot = domain.find('.'); dot != domain.npos; dot = domain.find('.', dot + 1))
      look(domain.substr(dot));
  }
  return rules_[first];
}

std::optional<resolver::Target> Router::target_of(const Rule& rule, const std::string& domain) {
  if (rule.terms->delivery || !rule.terms->socket.empty()) return std::nullopt;
  resolver::Target target = rule.destination.target.value_or(resolver::Target{.domain = domain});
  target.port = rule.terms->port;
  return target;
}

bool Router::by_own_mx(std::string_view domain) const {
  return rule_for(domain).own_mx();
}

void Router::want(const std::string& domain) {
  const auto target = target_of(rule_for(domain), domain);
  if (!target) {
    local_.push_back(domain);
    return;
  }
  const auto [waiting, fresh] = waiting_.try_emplace(*target);
  waiting->second.push_back(domain);
  if (fresh) questions_.push_back(*target);
}

std::optional<resolver::Target> Router::next_question() {
  if (questions_.empty()) return std::nullopt;
  auto target = std::move(questions_.front());
  questions_.pop_front();
  return target;
}

void Router::answered(const resolver::Target& target, resolver::RouteAnswer answer) {
  auto waiting = waiting_.extract(target);
  if (!waiting.empty()) known_.push_back({target, std::move(answer), std::move(waiting.mapped())});
}

std::optional<std::pair<std::string, WayAnswer>> Router::next_way() {
  // What was known may turn out to need nothing known any more.
  while (!local_.empty() || !known_.empty()) {
    if (auto way = local_.empty() ? next_known() : next_local()) return way;
  }
  return std::nullopt;
}

std::optional<std::pair<std::string, WayAnswer>> Router::next_local() {
  while (!local_.empty()) {
    std::string domain = std::move(local_.front());
    local_.pop_front();
    const Rule& rule = rule_for(domain);
    if (target_of(rule, domain)) { // the rules have changed
      want(domain);
      continue;
    }

    const Terms& terms = *rule.terms;
    auto found =
        way(rule, domain, route_to(terms.delivery ? terms.delivery->site() : "unix:" + terms.socket));
    return std::pair(std::move(domain), std::move(found));
  }
  return std::nullopt;
}

std::optional<std::pair<std::string, WayAnswer>> Router::next_known() {
  while (!known_.empty()) {
    Known& known = known_.front();
    std::string domain = std::move(known.domains.back());
    known.domains.pop_back();
    const Rule& rule = rule_for(domain);
    if (target_of(rule, domain) != known.target) { // the rules have changed
      want(domain);
      if (known.domains.empty()) known_.pop_front();
      continue;
    }
    const bool last = known.domains.empty();
    auto found = way(rule, domain, last ? std::move(known.answer) : known.answer);
    if (last) known_.pop_front();
    return std::pair(std::move(domain), std::move(found));
  }
  return std::nullopt;
}

WayAnswer Router::way(const Rule& rule, const std::string& domain, resolver::RouteAnswer answer) {
  if (answer) {
    answer->domain = domain;
    Way found(*std::move(answer), rule.terms);
    found.by_dns = rule.own_mx();
    return found;
  }
  auto failure = std::move(answer.error());
  if (rule.destination.target) {
    // Whoever wrote the route has to mend it: no mail is lost by it.
    failure.permanent = false;
    failure.status = "4.4.4";
    failure.text = fmt::format("route to {}: {}", rule.destination.target->domain, failure.text);
  }
  return std::unexpected(std::move(failure));
}

} // namespace bulkmail::agent
