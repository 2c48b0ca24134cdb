#include "agent/queue/scheduler_impl.h"

namespace bulkmail::agent {

namespace {

// Recipients that one answer without a session may settle: the loop has its turn between two of them.
constexpr std::uint32_t answer_chunk = 1000;

} // namespace

Work Scheduler::Impl::begin(Work::Kind kind, const std::shared_ptr<Mail>& mail, Attempt*& attempt) {
  Work work;
  work.kind = kind;
  work.attempt = ++last_attempt;
  work.message = mail->number;
  work.facts = mail->facts.unpack();
  work.expires = mail->expires;
  attempt = &attempts[work.attempt];
  attempt->mail = mail;
  return work;
}

void Scheduler::Impl::fill(Work& work, Attempt& attempt) {
  work.recipients.reserve(attempt.count);
  work.attempts.reserve(attempt.count);
  const std::uint32_t* order = attempt.mail->order.get();
  for (Job* job = attempt.jobs.first(); job != nullptr; job = attempt.jobs.after(*job)) {
    work.recipients.insert(work.recipients.end(), order + job->begin, order + job->end);
    work.attempts.insert(work.attempts.end(), job->size(), job->attempts);
  }
  in_attempt += attempt.count;
}

// One turn of a domain: up to `limit` recipients of one message. Domain and message go to the back of their
// queues.
Work Scheduler::Impl::take(Work::Kind kind, DomainQueue& domain, std::uint32_t limit) {
  Attempt* attempt = nullptr;
  Work work = begin(kind, domain.turns.front().mail->shared_from_this(), attempt);
  attempt->count = domain.take(limit, backlog.jobs(), attempt->jobs);
  count(domain, 0, attempt->count);
  fill(work, *attempt);
  domain.unlink();
  if (domain.lane == nullptr) {
    if (domain.waiting > 0) unroutable.push_back(domain);
    return work;
  }
  attempt->site = domain.lane->site;
  sites.begin_attempt(*attempt->site);
  if (domain.waiting > 0) domain.lane->turns.push_back(domain);
  sites.refresh(*domain.lane);
  return work;
}

// Whose turn it is in a lane. Those whose routes have expired leave it.
DomainQueue* Scheduler::Impl::next_domain(Lane& lane, Monotonic now) {
  while (DomainQueue* domain = lane.turns.first()) {
    if (domain->usable(now)) return domain;
    ask(*domain);
    domain->turn_kept = true;
  }
  return nullptr;
}

Work Scheduler::Impl::close(Session& session, Site* for_other) {
  sites.close(session, for_other);
  Work work;
  work.kind = Work::Kind::close;
  work.session = session.id;
  return work;
}

std::optional<Work> Scheduler::Impl::next(Monotonic now) {
  if (auto work = next_expired()) return work;
  if (Session* session = sites.too_idle(now)) return close(*session, nullptr);
  if (paused) return std::nullopt;
  if (auto work = next_unroutable()) return work;
  if (auto work = next_site_down(now)) return work;
  if (auto work = next_reuse(now)) return work;
  if (auto work = next_open(now)) return work;
  if (Session* session = sites.to_yield(now)) return close(*session, sites.places().next());
  return std::nullopt;
}

std::optional<Work> Scheduler::Impl::next_expired() {
  Mail* mail = over.first();
  if (mail == nullptr) return std::nullopt;
  Attempt* attempt = nullptr;
  Work work = begin(Work::Kind::expired, mail->shared_from_this(), attempt);
  while (attempt->count < answer_chunk && !mail->expired.empty()) {
    Job* job = &mail->expired.front();
    const std::uint32_t room = answer_chunk - attempt->count;
    if (job->size() > room) {
      job = &split(*job, room, backlog.jobs());
    } else {
      job->unlink();
    }
    attempt->jobs.push_back(*job);
    attempt->count += job->size();
  }
  if (mail->expired.empty()) mail->unlink();
  ready -= attempt->count;
  fill(work, *attempt);
  return work;
}

std::optional<Work> Scheduler::Impl::next_unroutable() {
  DomainQueue* domain = unroutable.first();
  if (domain == nullptr) return std::nullopt;
  Work work = take(Work::Kind::unroutable, *domain, answer_chunk);
  work.failure = *domain->failure;
  if (domain->waiting == 0 && !domain->hopeless) {
    domain->state = DomainQueue::State::unknown; // asked again for what comes later
    domain->failure.reset();
  }
  return work;
}

std::optional<Work> Scheduler::Impl::next_site_down(Monotonic now) {
  while (Lane* lane = sites.down()) {
    DomainQueue* domain = next_domain(*lane, now);
    if (domain == nullptr) continue;
    auto outcome = lane->site->last_outcome;
    Work work = take(Work::Kind::site_down, *domain, answer_chunk);
    work.last_outcome = std::move(outcome);
    return work;
  }
  return std::nullopt;
}

std::optional<Work> Scheduler::Impl::next_reuse(Monotonic now) {
  while (Lane* lane = sites.servable()) {
    DomainQueue* domain = next_domain(*lane, now);
    if (domain == nullptr) continue;
    Session& session = lane->idle.back(); // the last used, so that those too many grow idle
    if (sites.too_many(session)) return close(session, nullptr);
    if (Site* other = sites.places().to_give_way_to(session, now)) return close(session, other);
    sites.start(session);
    auto route = domain->route;
    Work work = take(Work::Kind::reuse, *domain, transaction_limit(*domain));
    work.session = attempts[work.attempt].session = session.id;
    work.route = std::move(route);
    return work;
  }
  return std::nullopt;
}

std::optional<Work> Scheduler::Impl::next_open(Monotonic now) {
  while (Lane* lane = sites.to_open()) {
    DomainQueue* domain = next_domain(*lane, now);
    if (domain == nullptr) continue;
    Session& session = sites.open(*lane, now);
    auto route = domain->route;
    Work work = take(Work::Kind::open, *domain, transaction_limit(*domain));
    work.session = attempts[work.attempt].session = session.id;
    work.route = std::move(route);
    return work;
  }
  return std::nullopt;
}

} // namespace bulkmail::agent
