#include "agent/queue/domains.h"

#include <utility>

namespace bulkmail::agent {

DomainQueue& Domains::make(std::string name) {
  const auto [at, fresh] = by_name_.try_emplace(std::move(name));
  at->second.name = &at->first;
  return at->second;
}

DomainQueue& Domains::find_or_make(std::string_view text) {
  // Nearly all addresses have their domain in canonical form already, and most domains are known.
  if (DomainQueue* known = find(text)) return *known;
  auto canonical = resolver::canonical_domain(text);
  if (canonical) return make(std::move(*canonical));
  DomainQueue& domain = make(std::string(text));
  domain.hopeless = true;
  domain.state = DomainQueue::State::unroutable;
  domain.failure = std::make_shared<const resolver::RouteFailure>(resolver::RouteFailure{
      .permanent = true, .status = "5.1.2", .text = std::move(canonical.error()), .until = Monotonic::max()});
  return domain;
}

DomainQueue* Domains::find(std::string_view canonical) {
  const auto at = by_name_.find(canonical);
  return at == by_name_.end() ? nullptr : &at->second;
}

void Domains::want(DomainQueue& domain) {
  domain.unlink();
  domain.state = DomainQueue::State::wanted;
  wanted_.push_back(domain);
}

std::optional<std::string> Domains::next_wanted() {
  if (wanted_.empty()) return std::nullopt;
  DomainQueue& domain = wanted_.front();
  domain.unlink();
  domain.state = DomainQueue::State::asking;
  return *domain.name;
}

void Domains::rest(DomainQueue& domain) {
  domain.fresh_until = {};
  resting_.push_back(domain);
  ++resting_count_;
}

void Domains::wake(DomainQueue& domain) {
  if (!domain.linked()) return;
  domain.unlink();
  --resting_count_;
}

DomainQueue* Domains::overripe(Monotonic now) const {
  if (resting_.empty()) return nullptr;
  DomainQueue& longest = resting_.front();
  return resting_count_ > max_resting || !longest.usable(now) ? &longest : nullptr;
}

void Domains::erase(DomainQueue& domain) { by_name_.erase(by_name_.find(*domain.name)); }

} // namespace bulkmail::agent
