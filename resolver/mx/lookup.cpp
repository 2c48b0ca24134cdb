#include "resolver/mx/lookup.h"

#include "resolver/wire/name.h"

#include <fmt/format.h>

#include <algorithm>

namespace bulkmail::resolver {
namespace {

std::optional<IpAddress> literal_address(std::string_view domain) {
  if (!domain.starts_with('[') || !domain.ends_with(']')) return std::nullopt;
  domain = domain.substr(1, domain.size() - 2);
  constexpr std::string_view tag = "IPv6:";
  return IpAddress::parse(domain.starts_with(tag) ? domain.substr(tag.size()) : domain);
}

} // namespace

MxLookup::MxLookup(const Target& target, std::shared_ptr<const MxRules> rules, Monotonic now)
    : rules_(std::move(rules)),
      port_(target.port),
      host_(target.host),
      mx_(Question{target.domain, Type::mx}) {
  const std::string& domain = route_.domain = target.domain;
  if (const auto address = literal_address(domain)) {
    literal(*address, now);
  } else if (looks_like_address(domain)) {
    fail(true, "5.1.2", fmt::format("no such domain {}", domain), now + longest_negative);
  } else if (host_) {
    route_.implicit = true;
    take_hosts({{0, domain}}, now);
  } else {
    to_ask_.push_back(mx_ticket);
  }
}

std::optional<std::pair<MxLookup::Ticket, Question>> MxLookup::next_question() {
  if (to_ask_.empty()) return std::nullopt;
  const Ticket ticket = to_ask_.back();
  to_ask_.pop_back();
  ++unanswered_;
  if (ticket == mx_ticket) return std::pair(ticket, mx_.question());
  const Candidate& candidate = candidates_[(ticket - 1) / tickets_each];
  const Ticket number = (ticket - 1) % tickets_each;
  return std::pair(ticket,
                   number == tlsa_ticket ? *candidate.tlsa->question() : candidate.trails[number].question());
}

void MxLookup::answer(Ticket ticket, std::shared_ptr<const Answer> answer, Monotonic now) {
  --unanswered_;
  if (ticket == mx_ticket) {
    if (mx_.answer(std::move(answer), now))
      mx_known(now);
    else
      to_ask_.push_back(ticket);
  } else {
    const std::size_t number = (ticket - 1) / tickets_each;
    Candidate& candidate = candidates_[number];
    if ((ticket - 1) % tickets_each == tlsa_ticket) {
      if (candidate.tlsa->answer(std::move(answer), now)) to_ask_.push_back(ticket);
    } else if (!candidate.trails[(ticket - 1) % tickets_each].answer(std::move(answer), now)) {
      to_ask_.push_back(ticket);
    } else if (std::ranges::all_of(candidate.trails, &Trail::done)) {
      addresses_known(number);
    }
  }
  if (!result_ && unanswered_ == 0 && to_ask_.empty()) decide(now);
}

void MxLookup::literal(IpAddress address, Monotonic now) {
  const Monotonic until = now + longest_positive;
  if (is_this_host(address)) {
    return fail(true, "5.4.6", fmt::format("{} is an address of this host", route_.domain), until);
  }
  if (!usable(address)) {
    return fail(true, "5.4.4", fmt::format("{} is not a public address", route_.domain), until, true);
  }
  identify(std::vector<MxData>{{0, route_.domain}});
  use({route_.domain, 0, {address}});
  route_.implicit = true;
  route_.expires = until;
  result_ = std::move(route_);
}

void MxLookup::mx_known(Monotonic now) {
  const Answer& mx = mx_.end();
  const std::string& domain = route_.domain;
  route_.secure = mx_.secure();
  switch (mx.kind) {
  case Answer::Kind::alias: // never a trail's end
  case Answer::Kind::doubt:
    return fail(false, "4.4.3", fmt::format("{}, asked for the MX of {}", mx.text, mx.owner), mx_.expires());
  case Answer::Kind::no_name:
    return fail(true, "5.1.2", fmt::format("no such domain {}", mx.owner), mx_.expires());
  case Answer::Kind::no_data:
    route_.implicit = true;
    if (mx_.aliased()) route_.remarks.push_back(fmt::format("{} is an alias of {}", domain, mx.owner));
    return take_hosts({{0, mx.owner}}, now);
  case Answer::Kind::found:
    if (mx.hosts.size() == 1 && mx.hosts.front().exchange == ".") {
      return fail(true, "5.1.10", fmt::format("{} takes no mail (null MX)", domain), mx_.expires());
    }
    return take_hosts(mx.hosts, now);
  }
}

void MxLookup::take_hosts(const std::vector<MxData>& hosts, Monotonic now) {
  identify(hosts);
  const auto self = host_ ? hosts.end() : std::ranges::find(hosts, rules_->hostname, &MxData::exchange);
  self_by_name_ = self != hosts.end();
  candidates_.reserve(hosts.size());
  for (const MxData& mx : hosts) {
    if (self_by_name_ && mx.preference >= self->preference) break; // RFC 5321 §5.1: no loops
    add_candidate(mx);
  }
  if (to_ask_.empty()) decide(now);
}

void MxLookup::identify(const std::vector<MxData>& hosts) {
  SiteIdentity site = site_of(hosts);
  route_.site_key = site.key;
  route_.site = std::move(site.name);
  for (const MxData& mx : hosts) route_.unusable.push_back(mx.exchange);
}

void MxLookup::use(MailHost host) {
  std::erase(route_.unusable, host.name);
  route_.hosts.push_back(std::move(host));
}

void MxLookup::add_candidate(MxData mx) {
  const Ticket first = 1 + tickets_each * candidates_.size();
  Candidate& candidate = candidates_.emplace_back(Candidate{std::move(mx), {}, {}});
  const std::string& name = candidate.mx.exchange;
  if (name == "." || looks_like_address(name)) {
    route_.remarks.push_back(fmt::format("MX {} of {} is no host name", name, route_.domain));
    return;
  }
  for (const auto& [wanted, type] : {std::pair(rules_->ipv4, Type::a), std::pair(rules_->ipv6, Type::aaaa)}) {
    if (!wanted) continue;
    to_ask_.push_back(first + candidate.trails.size());
    candidate.trails.emplace_back(Question{name, type});
  }
}

// Only now: name servers that can't cope with questions for TLSA records stand before zones that are not signed, and are
// not to be asked (RFC 7672 §2.2.2).
void MxLookup::addresses_known(std::size_t number) {
  if (!rules_->dane || !(host_ || mx_.secure())) return; // what the configuration names needs no proof
  Candidate& candidate = candidates_[number];
  const Finding finding = examine(candidate);
  if (finding.proved == nullptr || finding.addresses.empty()) return;
  candidate.tlsa.emplace(candidate.mx.exchange, finding.proved->end().owner, port_);
  if (candidate.tlsa->question() != nullptr) to_ask_.push_back(1 + tickets_each * number + tlsa_ticket);
}

MxLookup::Finding MxLookup::examine(const Candidate& candidate) const {
  Finding finding;
  std::size_t all = 0;
  Monotonic nothing_until = Monotonic::max(); // how long what is not there is known not to be
  bool all_proved = true;
  for (const Trail& trail : candidate.trails) {
    const Answer& answer = trail.end();
    if (answer.kind == Answer::Kind::found) {
      finding.expires = std::min(finding.expires, trail.expires());
      finding.proved = &trail;
      all_proved &= trail.secure();
    } else if (answer.kind == Answer::Kind::doubt) {
      finding.in_doubt = true;
      finding.doubt_text = fmt::format("{}, asked for the address of {}", answer.text, answer.owner);
      finding.expires = std::min(finding.expires, trail.expires());
    } else {
      nothing_until = std::min(nothing_until, trail.expires());
    }
    for (const IpAddress& address : answer.addresses) {
      ++all;
      finding.is_this_host |= is_this_host(address);
      if (usable(address)) finding.addresses.push_back(address);
    }
  }
  if (!all_proved) finding.proved = nullptr;
  finding.private_only = all > 0 && finding.addresses.empty();
  if (finding.addresses.size() > max_addresses) finding.addresses.resize(max_addresses);
  // A host that has an address is no worse for having none of the other family.
  if (all == 0) finding.expires = std::min(finding.expires, nothing_until);
  if (candidate.tlsa) {
    finding.expires = std::min(finding.expires, candidate.tlsa->expires());
    // What can't be found out may be what forbids to use the host: it is not used (RFC 7672 §2.1.2).
    if (candidate.tlsa->result() == TlsaSearch::Result::doubt) {
      const Answer& answer = candidate.tlsa->end();
      finding.in_doubt = true;
      finding.doubt_text = fmt::format("{}, asked for the TLSA records of {}", answer.text, answer.owner);
      finding.addresses.clear();
    }
  }
  return finding;
}

void MxLookup::decide(Monotonic now) {
  bool self = self_by_name_;
  bool refused = false;
  std::string doubt_text;
  Monotonic expires = std::min(mx_.expires(), now + longest_positive);
  Monotonic doubt_until = now + longest_doubt;
  std::vector<Finding> findings;
  findings.reserve(candidates_.size());
  for (const Candidate& candidate : candidates_) findings.push_back(examine(candidate));

  std::size_t end =
      candidates_.size(); // candidates are sorted: what is not better than this host is behind it
  for (std::size_t i = 0; i < candidates_.size(); ++i) {
    if (!findings[i].is_this_host) continue;
    self = true;
    end = i;
    while (end > 0 && candidates_[end - 1].mx.preference == candidates_[i].mx.preference) --end;
    expires = std::min(expires, findings[i].expires);
    break;
  }
  for (std::size_t i = 0; i < end; ++i) {
    Candidate& candidate = candidates_[i];
    Finding& finding = findings[i];
    expires = std::min(expires, finding.expires);
    refused |= finding.private_only;
    if (finding.in_doubt) {
      doubt_until = std::min(doubt_until, finding.expires);
      doubt_text = std::move(finding.doubt_text);
    }
    if (finding.addresses.empty()) continue;
    for (const Trail& trail : candidate.trails) {
      if (!trail.aliased() || route_.implicit) continue;
      route_.remarks.push_back(fmt::format("MX {} of {} is an alias", candidate.mx.exchange, route_.domain));
      break;
    }
    std::shared_ptr<const Dane> dane;
    if (candidate.tlsa && candidate.tlsa->result() == TlsaSearch::Result::found)
      dane = make_dane(candidate.tlsa->base(), route_.domain, host_ ? route_.domain : mx_.end().owner,
                       candidate.tlsa->end().tlsa);
    use({std::move(candidate.mx.exchange), candidate.mx.preference, std::move(finding.addresses),
         std::move(dane)});
  }
  if (!route_.hosts.empty()) {
    route_.dane_key = dane_key(route_.hosts);
    route_.expires = usable_until(expires, now);
    result_ = std::move(route_);
    return;
  }
  const std::string& domain = route_.domain;
  if (!doubt_text.empty()) return fail(false, "4.4.3", std::move(doubt_text), usable_until(doubt_until, now));
  expires = usable_until(expires, now);
  if (refused) {
    return fail(true, "5.4.4", fmt::format("the mail hosts of {} have no public address", domain), expires,
                true);
  }
  if (self) return fail(true, "5.4.6", fmt::format("mail for {} loops back to this host", domain), expires);
  fail(true, "5.4.4",
       host_             ? fmt::format("{} has no address", domain)
       : route_.implicit ? fmt::format("{} has neither MX nor address", domain)
                         : fmt::format("no mail host of {} has an address", domain),
       expires);
}

void MxLookup::fail(bool permanent, const char* status, std::string text, Monotonic until, bool policy) {
  result_ = std::unexpected(RouteFailure{permanent, status, std::move(text), policy, until});
}

bool MxLookup::is_this_host(const IpAddress& address) const {
  return !host_ && std::ranges::binary_search(rules_->own_addresses, address);
}

bool MxLookup::usable(const IpAddress& address) const {
  return host_ || rules_->allow_private || !address.is_private();
}

} // namespace bulkmail::resolver
