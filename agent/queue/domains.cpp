#include "agent/queue/domains.h"

#include <functional>
#include <utility>

namespace bulkmail::agent {

namespace {

std::uint32_t hash_of_name(std::string_view name) { return hash_of(std::hash<std::string_view>{}(name)); }

} // namespace

DomainQueue* Domains::find(std::string_view canonical) {
  const auto found = by_name_.find(hash_of_name(canonical),
                                   [&](Ref<DomainQueue> ref) { return slab_[ref].name == canonical; });
  return found ? &slab_[found] : nullptr;
}

DomainQueue& Domains::find_or_make(SortedRecipients::Group& group) {
  if (DomainQueue* known = find(group.domain)) return *known;
  const Ref<DomainQueue> ref = slab_.make(std::move(group.domain));
  DomainQueue& domain = slab_[ref];
  domain.self = ref;
  domain.hash = hash_of_name(domain.name);
  by_name_.insert(domain.hash, ref);
  if (!group.error.empty()) {
    domain.hopeless = true;
    domain.failure = std::make_shared<const resolver::RouteFailure>(
        resolver::RouteFailure{.permanent = true,
                               .status = "5.1.2", // RFC 3463: bad destination system address
                               .text = std::move(group.error),
                               .until = Monotonic::max()});
  }
  return domain;
}

void Domains::want(DomainQueue& domain) {
  if (domain.question != DomainQueue::Question::none) return;
  domain.question = DomainQueue::Question::wanted;
  wanted_.push_back(domain);
}

void Domains::withdraw(DomainQueue& domain) {
  if (domain.question != DomainQueue::Question::wanted) return;
  domain.question = DomainQueue::Question::none;
  domain.Link<OfQuestions>::unlink();
}

std::optional<std::string> Domains::next_wanted() {
  if (wanted_.empty()) return std::nullopt;
  DomainQueue& domain = wanted_.front();
  domain.Link<OfQuestions>::unlink();
  domain.question = DomainQueue::Question::asking;
  return domain.name;
}

void Domains::rest(DomainQueue& domain) {
  domain.fresh_until = {};
  domain.resting = true;
  resting_.push_back(domain);
  ++resting_count_;
}

void Domains::wake(DomainQueue& domain) {
  if (!std::exchange(domain.resting, false)) return;
  domain.Link<>::unlink();
  --resting_count_;
}

DomainQueue* Domains::overripe(Monotonic now) const {
  if (resting_.empty()) return nullptr;
  DomainQueue& longest = resting_.front();
  // One that its rate still holds back would come back as a stranger, without that.
  if (longest.meter.next(now) > now) return nullptr;
  return resting_count_ > max_resting || !longest.usable(now) ? &longest : nullptr;
}

void Domains::erase(DomainQueue& domain) {
  by_name_.erase(domain.hash, domain.self);
  slab_.release(domain.self);
}

} // namespace bulkmail::agent
