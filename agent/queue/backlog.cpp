#include "agent/queue/backlog.h"

#include <algorithm>
#include <utility>

namespace bulkmail::agent {

Ref<Mail> Backlog::add(Consignment& consignment, Domains& domains, Monotonic now,
                       std::vector<Ref<Job>>& ready) {
  const Ref<Mail> ref = mails.make(std::move(consignment.facts));
  Mail& mail = mails[ref];
  SortedRecipients& sorted = consignment.recipients;
  mail.expires = consignment.expires;
  mail.one_by_one = sorted.one_by_one;
  mail.attempt_first = consignment.attempt_first;
  mail.set_order(sorted.order);
  by_number_.insert(hash_of(mail.facts.number()), ref);
  expiries_.set(ref, consignment.until);

  std::ranges::sort(consignment.restored, {}, &Consignment::Restored::recipient);
  Ref<Share> last;
  for (auto& group : sorted.groups) {
    DomainQueue& domain = domains.find_or_make(group);
    if (domain.shares++ == 0) domains.wake(domain);
    const Ref<Share> made = shares.make();
    Share& share = shares[made];
    share.mail = ref;
    share.domain = domain.self;
    share.unfinished = (group.end - group.begin) & 0x7fffffff;
    (last ? shares[last].next_of_mail : mail.shares) = made;
    last = made;
    make_jobs(made, group.begin, group.end, consignment.restored, now, ready);
  }
  return ref;
}

void Backlog::make_jobs(Ref<Share> share, std::uint32_t begin, std::uint32_t end,
                        std::span<const Consignment::Restored> restored, Monotonic now,
                        std::vector<Ref<Job>>& ready) {
  if (restored.empty()) {
    ready.push_back(jobs.make(Job{.links = {}, .share = share, .begin = begin, .end = end}));
    return;
  }
  // One job for all of whom the same is known.
  std::uint32_t* order = mails[shares[share].mail].order();
  known_.clear();
  for (std::uint32_t at = begin; at < end; ++at) {
    const auto one = std::ranges::lower_bound(restored, order[at], {}, &Consignment::Restored::recipient);
    const bool told = one != restored.end() && one->recipient == order[at];
    known_.emplace_back(told ? Known{std::max(one->due, now), one->attempts} : Known{now, 0}, order[at]);
  }
  std::ranges::stable_sort(known_, {}, &decltype(known_)::value_type::first);
  for (std::uint32_t at = begin; at < end; ++at) order[at] = known_[at - begin].second;
  for (std::uint32_t at = begin; at < end;) {
    const Known& first = known_[at - begin].first;
    std::uint32_t next = at + 1;
    while (next < end && known_[next - begin].first == first) ++next;
    const Ref<Job> job = jobs.make(Job{.links = {}, .share = share, .begin = at, .end = next});
    jobs[job].attempts = std::min(first.attempts, Job::most_attempts) & Job::most_attempts;
    if (first.due <= now) {
      ready.push_back(job);
    } else {
      delay(job, first.due);
    }
    at = next;
  }
}

Ref<Mail> Backlog::find(std::uint64_t message) const {
  return by_number_.find(hash_of(message),
                         [&](Ref<Mail> ref) { return mails[ref].facts.number() == message; });
}

std::vector<Ref<Mail>> Backlog::parts(std::uint64_t message) const {
  return by_number_.find_all(hash_of(message),
                             [&](Ref<Mail> ref) { return mails[ref].facts.number() == message; });
}

void Backlog::remove(Ref<Mail> ref) {
  expiries_.erase(ref);
  by_number_.erase(hash_of(mails[ref].facts.number()), ref);
  for (Ref<Share> share = mails[ref].shares; share;) {
    shares.release(std::exchange(share, shares[share].next_of_mail));
  }
  mails.release(ref);
}

Ref<Job> Backlog::split(Ref<Job> job, std::uint32_t count) {
  const Ref<Job> part = jobs.make(jobs[job]);
  Job& cut = jobs[part];
  cut.links = {};
  cut.due_place = 0;
  cut.end = cut.begin + count;
  jobs[job].begin += count;
  return part;
}

void Backlog::delay(Ref<Job> job, Monotonic due) {
  shares[jobs[job].share].delayed.push_back(jobs, job);
  dues_.set(job, due);
}

void Backlog::undelay(Ref<Job> job) {
  shares[jobs[job].share].delayed.remove(jobs, job);
  dues_.erase(job);
}

Ref<Job> Backlog::due(Monotonic now) const {
  return dues_.empty() || dues_.top_key() > now ? Ref<Job>{} : dues_.top();
}

std::optional<Monotonic> Backlog::next_due() const {
  return dues_.empty() ? std::nullopt : std::optional(dues_.top_key());
}

Ref<Mail> Backlog::take_expired(Monotonic now) {
  if (expiries_.empty() || expiries_.top_key() > now) return {};
  const Ref<Mail> mail = expiries_.top();
  expiries_.erase(mail);
  return mail;
}

std::optional<Monotonic> Backlog::next_expiry() const {
  return expiries_.empty() ? std::nullopt : std::optional(expiries_.top_key());
}

} // namespace bulkmail::agent
