#include "agent/queue/scheduler_impl.h"

namespace bulkmail::agent {

// ---- Counting

// Where the recipients that wait in a domain's queue are counted.
std::uint64_t& Scheduler::Impl::total(const DomainQueue& domain) {
  switch (domain.wait) {
  case DomainQueue::Wait::route: return resolving;
  case DomainQueue::Wait::release: return held;
  case DomainQueue::Wait::nothing:
  case DomainQueue::Wait::answer:
  case DomainQueue::Wait::limit:
  case DomainQueue::Wait::room:
  case DomainQueue::Wait::turn: break;
  }
  return ready;
}

// Recipients become or cease to be ready in a share.
void Scheduler::Impl::count(const Share& share, std::uint64_t more, std::uint64_t less) {
  if (share.parcel) {
    sites.count(*sites.lane(backlog.parcels[share.parcel].lane).site, more, less);
  } else if (share.sender_rate) {
    ready += more - less;
  } else if (share.links.linked()) {
    DomainQueue& domain = domains[share.domain];
    domain.recipients += more - less;
    total(domain) += more - less;
  } else {
    held += more - less; // its message is
  }
}

// ---- In

void Scheduler::Impl::enqueue(Ref<Job> ref, Where where, Monotonic now) {
  Job& job = backlog.jobs[ref];
  Share& share = backlog.shares[job.share];
  const Mail& mail = backlog.mails[share.mail];
  if (mail.cancelled || share.cancelled) return leave_queue(ref, cancelled);
  if (mail.over_for(job)) return leave_queue(ref, expired);

  Site* site = share.parcel ? sites.lane(backlog.parcels[share.parcel].lane).site : nullptr;
  // Those that were told of an outage stand behind those that were not.
  const bool ahead = where == Where::front || (where == Where::back && site != nullptr && site->down);
  job.step = where == Where::told ? domains[share.domain].lane->site->step : std::uint16_t{0};
  const bool first = share.ready.empty();
  ahead ? share.ready.push_front(backlog.jobs, ref) : share.ready.push_back(backlog.jobs, ref);
  share.waiting += job.size();
  if (first) return file(job.share, where, now);
  count(share, job.size(), 0);
  if (!ahead) return;
  if (share.parcel) {
    join(job.share, where); // it is there; but where in it may change
  } else if (share.links.linked() && !share.sender_rate) {
    auto& waiting = domains[share.domain].waiting;
    waiting.remove(backlog.shares, job.share);
    waiting.push_front(backlog.shares, job.share);
  }
}

// A share that has something ready goes where that waits.
void Scheduler::Impl::file(Ref<Share> ref, Where where, Monotonic now) {
  const Share& share = backlog.shares[ref];
  if (backlog.mails[share.mail].held) {
    held += share.waiting;
    return;
  }
  const DomainQueue& domain = domains[share.domain];
  const bool open = domain.wait == DomainQueue::Wait::nothing && !domain.held && domain.usable(now) &&
                    !domain.one_by_one(now);
  if (open || where == Where::told) return join(ref, where);
  wait(ref, where == Where::front, now);
}

// It waits with its domain for what that lacks.
void Scheduler::Impl::wait(Ref<Share> ref, bool at_head, Monotonic now) {
  const Share& share = backlog.shares[ref];
  DomainQueue& domain = domains[share.domain];
  at_head ? domain.waiting.push_front(backlog.shares, ref) : domain.waiting.push_back(backlog.shares, ref);
  domain.recipients += share.waiting;
  total(domain) += share.waiting;
  place(domain, now);
}

// What the shares in a domain's queue wait for now.
void Scheduler::Impl::place(DomainQueue& domain, Monotonic now) {
  using Wait = DomainQueue::Wait;
  Wait wait = Wait::nothing;
  if (!domain.waiting.empty()) {
    wait = domain.held                    ? Wait::release
           : domain.failure               ? Wait::answer
           : !domain.usable(now)          ? Wait::route
           : domain.full()                ? Wait::room
           : domain.meter.next(now) > now ? Wait::limit
                                          : Wait::turn;
  }
  if (domain.waiting.empty() && !domain.hopeless) domain.failure.reset(); // it may live when more comes
  if (wait == Wait::route) {
    domains.want(domain);
  } else {
    domains.withdraw(domain);
  }
  if (wait != domain.wait) {
    total(domain) -= domain.recipients;
    domain.wait = wait;
    total(domain) += domain.recipients;
  }
  List<DomainQueue>* list = wait == Wait::answer                       ? &unroutable
                            : wait == Wait::turn && !domain.one_is_out ? &entering
                                                                       : nullptr;
  domain.Link<>::unlink();
  if (list != nullptr) list->push_back(domain);
  if (wait == Wait::limit) {
    limited.set(&domain, domain.meter.next(now));
  } else {
    limited.erase(&domain);
  }
}

// ---- Out

// A share leaves where it waits.
void Scheduler::Impl::leave(Ref<Share> ref, Monotonic now) {
  Share& share = backlog.shares[ref];
  count(share, 0, share.waiting);
  const bool with_sender = share.sender_rate && !share.parcel;
  sender_rates.release(ref, now);
  DomainQueue& domain = domains[share.domain];
  if (share.parcel) {
    part(ref);
    if (std::exchange(domain.one_is_out, false)) place(domain, now);
  } else if (!with_sender && share.links.linked()) {
    domain.waiting.remove(backlog.shares, ref);
    place(domain, now);
  }
}

// A ready job leaves its share.
void Scheduler::Impl::withdraw(Ref<Job> ref, Monotonic now) {
  const Job& job = backlog.jobs[ref];
  Share& share = backlog.shares[job.share];
  share.ready.remove(backlog.jobs, ref);
  if (share.ready.empty()) {
    leave(job.share, now);
  } else {
    count(share, 0, job.size());
  }
  share.waiting -= job.size();
}

void Scheduler::Impl::lose_route(DomainQueue& domain) {
  domain.way.reset();
  if (Lane* lane = std::exchange(domain.lane, nullptr)) sites.leave(*lane);
}

// Recipients are final. A domain that nothing needs any more rests, or goes; so does a message.
void Scheduler::Impl::finish(Ref<Share> ref, std::uint32_t recipients) {
  Share& share = backlog.shares[ref];
  const Ref<Mail> of = share.mail;
  Mail& mail = backlog.mails[of];
  mail.unfinished -= recipients;
  share.unfinished = (share.unfinished - recipients) & 0x7fffffff;
  if (share.unfinished > 0) return;
  DomainQueue& domain = domains[std::exchange(share.domain, {})];
  if (--domain.shares == 0 && domain.question != DomainQueue::Question::asking) {
    if (domain.lane != nullptr) {
      domains.rest(domain);
    } else {
      domain.Link<>::unlink();
      domains.withdraw(domain);
      domains.erase(domain);
    }
  }
  if (mail.unfinished > 0) return;
  if (expiring == of) expiring = {};
  for (Sweep& sweep : sweeps) {
    if (sweep.mail != of) continue;
    sweep.mail = sweep.what.kind == Selector::Kind::message ? Ref<Mail>{} : backlog.mails.after(of);
    sweep.share = {};
  }
  backlog.remove(of);
}

// A job that is in no queue, and whose recipients are final.
void Scheduler::Impl::drop(Ref<Job> ref) {
  const Ref<Share> share = backlog.jobs[ref].share;
  const std::uint32_t recipients = backlog.jobs[ref].size();
  backlog.jobs.release(ref);
  finish(share, recipients);
}

// A job that is in no queue is to be answered as expired or cancelled.
void Scheduler::Impl::leave_queue(Ref<Job> ref, Ring<Job>& leaving) {
  leaving.push_back(backlog.jobs, ref);
  ready += backlog.jobs[ref].size();
}

void Scheduler::Impl::make_due(Ref<Job> ref, Monotonic now) {
  backlog.undelay(ref);
  delayed -= backlog.jobs[ref].size();
  enqueue(ref, Where::back, now);
}

// ---- As time goes by

// Messages whose time is over, one after the other.
void Scheduler::Impl::expire(Monotonic now) {
  for (;;) {
    if (!expiring) {
      expiring = backlog.take_expired(now);
      if (!expiring) return;
      backlog.mails[expiring].over = true;
      expiring_share = backlog.mails[expiring].shares;
    }
    const Mail& mail = backlog.mails[expiring];
    const auto move = [&](const Ring<Job>& jobs, auto take_out) {
      for (Ref<Job> job = jobs.first(); job;) {
        const Ref<Job> after = jobs.after(backlog.jobs, job);
        if (mail.over_for(backlog.jobs[job])) {
          if (!spend()) return false;
          take_out(job);
          leave_queue(job, expired);
        }
        job = after;
      }
      return true;
    };
    while (expiring_share) {
      Share& share = backlog.shares[expiring_share];
      if (!spend() || !move(share.ready, [&](Ref<Job> job) { withdraw(job, now); }) ||
          !move(share.delayed, [&](Ref<Job> job) {
            backlog.undelay(job);
            delayed -= backlog.jobs[job].size();
          }))
        return;
      expiring_share = share.next_of_mail;
    }
    expiring = {};
  }
}

// Shares whose domain lacks nothing any more go on into its lane.
void Scheduler::Impl::enter(Monotonic now) {
  while (DomainQueue* domain = entering.first()) {
    place(*domain, now);
    if (domain->wait != DomainQueue::Wait::turn) continue;
    if (!spend()) return;
    const Ref<Share> share = domain->waiting.first();
    // A route that is good for one turn lets one in, which may have waited for that turn before.
    const bool one = domain->one_by_one(now);
    domain->one_is_out = one;
    const bool kept = std::exchange(domain->turn_kept, false);
    leave(share, now);
    if (backlog.mails[backlog.shares[share].mail].held) {
      held += backlog.shares[share].waiting;
      domain->one_is_out = false;
      place(*domain, now); // for those behind it
    } else {
      join(share, kept ? Where::front : Where::back);
    }
  }
}

// A share that its sender's rate lets go has the next turn in its lane, if it lacks nothing else meanwhile.
void Scheduler::Impl::let_out(Ref<Share> ref, Monotonic now) {
  const Share& share = backlog.shares[ref];
  const DomainQueue& domain = domains[share.domain];
  ready -= share.waiting;
  if (!backlog.mails[share.mail].held && domain.wait == DomainQueue::Wait::nothing && !domain.held &&
      domain.usable(now) && !domain.one_by_one(now))
    return join(ref, Where::front);
  sender_rates.release(ref, now);
  file(ref, Where::front, now);
}

// Brings the queues up to date, as far as the budget goes.
void Scheduler::Impl::advance(Monotonic now) {
  expire(now);
  sites.end_holds(now);
  sites.sweep();
  while (DomainQueue* domain = domains.overripe(now)) {
    if (!spend()) return;
    domains.wake(*domain);
    lose_route(*domain);
    if (domain->question == DomainQueue::Question::asking) continue; // its answer finds nobody, and erases it
    domains.withdraw(*domain);
    domains.erase(*domain);
  }
  sweep(now);
  if (paused) return;
  while (!limited.empty() && limited.top_key() <= now) {
    if (!spend()) return;
    place(*limited.top(), now);
  }
  while (const Ref<Share> share = sender_rates.let_out(now)) {
    let_out(share, now);
    if (!spend()) return;
  }
  enter(now);
  while (const Ref<Job> job = backlog.due(now)) {
    if (!spend()) return;
    make_due(job, now);
  }
}

} // namespace bulkmail::agent
