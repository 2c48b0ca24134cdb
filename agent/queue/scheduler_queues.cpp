#include "agent/queue/scheduler_impl.h"

namespace bulkmail::agent {

namespace {

// Delayed jobs that one call makes ready: so many that they cost little each, so few that the loop has its turn within a
// millisecond.
constexpr int due_chunk = 1000;

} // namespace

void Scheduler::Impl::enqueue(Job& job, bool at_head, Monotonic now) {
  Mail& mail = *job.share->mail;
  if (mail.over_for(job)) {
    mail.expired.push_back(job);
    ready += job.size();
    if (!mail.linked()) over.push_back(mail);
    return;
  }
  DomainQueue& domain = *job.share->domain;
  at_head ? domain.push_front(job) : domain.push_back(job);
  count(domain, job.size(), 0);
  place(domain, now);
}

// Something waits in the domain: it waits for what it needs next.
void Scheduler::Impl::place(DomainQueue& domain, Monotonic now) {
  using State = DomainQueue::State;
  if (domain.linked() || domain.state == State::asking) return;
  switch (domain.state) {
  case State::unknown: domains.want(domain); break;
  case State::unroutable: unroutable.push_back(domain); break;
  case State::routed:
    if (domain.usable(now)) {
      std::exchange(domain.turn_kept, false) ? domain.lane->turns.push_front(domain)
                                             : domain.lane->turns.push_back(domain);
      sites.refresh(*domain.lane);
    } else {
      ask(domain);
    }
    break;
  case State::wanted:
  case State::asking: break;
  }
}

// Its route is too old: O(1), however much waits in it.
void Scheduler::Impl::ask(DomainQueue& domain) {
  count(domain, 0, domain.waiting);
  leave_lane(domain);
  domains.want(domain);
  count(domain, domain.waiting, 0);
}

void Scheduler::Impl::leave_lane(DomainQueue& domain) {
  domain.unlink();
  domain.route.reset();
  if (Lane* lane = std::exchange(domain.lane, nullptr)) sites.leave(*lane);
}

// A ready job leaves its queue.
void Scheduler::Impl::withdraw(Job& job) {
  DomainQueue& domain = *job.share->domain;
  count(domain, 0, job.size());
  domain.remove(job);
  if (domain.waiting > 0) return;
  domain.unlink();
  if (domain.state == DomainQueue::State::wanted) domain.state = DomainQueue::State::unknown;
  if (domain.state == DomainQueue::State::unroutable && !domain.hopeless)
    domain.state = DomainQueue::State::unknown;
  if (domain.lane != nullptr) sites.refresh(*domain.lane);
}

// Recipients are final. A domain that nothing needs any more rests, or goes.
void Scheduler::Impl::finish(Share& share, std::uint32_t recipients) {
  share.mail->unfinished -= recipients;
  share.unfinished -= recipients;
  if (share.unfinished > 0) return;
  share.unlink();
  DomainQueue& domain = *std::exchange(share.domain, nullptr);
  if (share.mail->unfinished == 0) backlog.remove(*share.mail); // its last attempt may hold it for longer
  if (--domain.shares > 0 || domain.state == DomainQueue::State::asking) return;
  if (domain.state == DomainQueue::State::routed) {
    domains.rest(domain);
  } else {
    domain.unlink();
    domains.erase(domain);
  }
}

// A job that is in no queue, and whose recipients are final.
void Scheduler::Impl::drop(Job& job) {
  Share& share = *job.share;
  const std::uint32_t recipients = job.size();
  backlog.release(job);
  finish(share, recipients);
}

void Scheduler::Impl::expire(Mail& mail) {
  mail.over = true;
  const auto move = [&](List<Job>& jobs, auto take_out) {
    for (Job* job = jobs.first(); job != nullptr;) {
      Job* after = jobs.after(*job);
      if (mail.over_for(*job)) {
        take_out(*job);
        mail.expired.push_back(*job);
        ready += job->size();
      }
      job = after;
    }
  };
  for (Share& share : mail.all_shares()) {
    move(share.ready, [&](Job& job) { withdraw(job); });
    move(share.delayed, [&](Job& job) {
      backlog.undelay(job);
      delayed -= job.size();
    });
  }
  if (!mail.expired.empty()) over.push_back(mail);
}

// Brings the queues up to date. True: there is more to do.
bool Scheduler::Impl::advance(Monotonic now) {
  while (Mail* mail = backlog.take_expired(now)) expire(*mail);
  sites.end_holds(now);
  sites.sweep();
  while (DomainQueue* domain = domains.overripe(now)) {
    domains.wake(*domain);
    leave_lane(*domain);
    domains.erase(*domain);
  }
  if (paused) return false;
  for (int i = 0; i < due_chunk; ++i) {
    Job* job = backlog.due(now);
    if (job == nullptr) return false;
    make_due(*job, now);
  }
  return true;
}

void Scheduler::Impl::make_due(Job& job, Monotonic now) {
  backlog.undelay(job);
  delayed -= job.size();
  enqueue(job, false, now);
}

} // namespace bulkmail::agent
