// What people do to the queue by hand. It may mean all of it: then it is done a piece at a time.
#include "agent/queue/scheduler_impl.h"

namespace bulkmail::agent {

// ---- What is meant

bool Scheduler::Impl::selects(const Sweep& sweep, const Mail& mail) {
  if (mail.facts.number() > sweep.newest) return false;
  switch (sweep.what.kind) {
  case Selector::Kind::all:
  case Selector::Kind::site: return true; // some of its shares, perhaps
  case Selector::Kind::message: return mail.facts.number() == sweep.what.number;
  case Selector::Kind::sender:
    return sweep.sender &&
           sweep.sender->matches(mail.facts.sender(), SenderPattern::domain_of(mail.facts.sender()));
  }
  return false;
}

bool Scheduler::Impl::selects(const Selector& what, const Share& share) {
  if (!share.domain) return false; // it is done
  if (what.kind != Selector::Kind::site) return true;
  return means(what.text, domains[share.domain]);
}

bool Scheduler::Impl::means(std::string_view site, const DomainQueue& domain) {
  return site == domain.name ||
         (domain.lane != nullptr && means_site(site, domain.lane->site->name, *domain.way));
}

// ---- Going through it

void Scheduler::Impl::start(Sweep::Kind kind, const Selector& what, Monotonic now) {
  tell(now);
  std::optional<SenderPattern> sender;
  if (what.kind == Selector::Kind::sender)
    if (auto pattern = SenderPattern::parse(what.text)) sender = *std::move(pattern);
  if (what.kind == Selector::Kind::message) {
    for (const Ref<Mail> part : backlog.parts(what.number))
      sweeps.push_back({kind, what, sender, newest, part, {}});
  } else if (const Ref<Mail> first = backlog.mails.first()) {
    sweeps.push_back({kind, what, sender, newest, first, {}});
  }
}

void Scheduler::Impl::sweep(Monotonic now) {
  while (!sweeps.empty()) {
    Sweep& sweep = sweeps.front();
    while (sweep.mail) {
      Mail& mail = backlog.mails[sweep.mail];
      if (!sweep.share && selects(sweep, mail)) {
        if (sweep.kind == Sweep::Kind::hold) apply_holds(mail);
        if (sweep.kind == Sweep::Kind::cancel && sweep.what.kind != Selector::Kind::site)
          mail.cancelled = true;
        sweep.share = mail.shares;
      }
      if (!spend()) return;
      while (sweep.share) {
        if (!spend() || !sweep_share(sweep, sweep.share, now)) return;
        sweep.share = backlog.shares[sweep.share].next_of_mail;
      }
      sweep.mail = sweep.what.kind == Selector::Kind::message ? Ref<Mail>{} : backlog.mails.after(sweep.mail);
    }
    sweeps.pop_front();
  }
}

// False: enough for now, and the same again next time.
bool Scheduler::Impl::sweep_share(const Sweep& sweep, Ref<Share> ref, Monotonic now) {
  Share& share = backlog.shares[ref];
  if (!selects(sweep.what, share)) return true;
  switch (sweep.kind) {
  case Sweep::Kind::flush:
    if (Lane* lane = domains[share.domain].lane) sites.end_hold(*lane->site);
    while (const Ref<Job> job = share.delayed.first()) {
      if (!spend()) return false;
      make_due(job, now);
    }
    return true;
  case Sweep::Kind::hold:
    // What became held is taken out when its turn comes; what was held is taken back.
    if (backlog.mails[share.mail].held || share.ready.empty() || share.parcel || share.links.linked())
      return true;
    held -= share.waiting;
    file(ref, Where::back, now);
    return true;
  case Sweep::Kind::cancel:
    if (sweep.what.kind == Selector::Kind::site) share.cancelled = 1;
    return take_out(ref, cancelled, now);
  }
  return true;
}

// Everything of a share that is not in an attempt is to be answered.
bool Scheduler::Impl::take_out(Ref<Share> ref, Ring<Job>& into, Monotonic now) {
  const Share& share = backlog.shares[ref];
  while (const Ref<Job> job = share.ready.first()) {
    if (!spend()) return false;
    withdraw(job, now);
    leave_queue(job, into);
  }
  while (const Ref<Job> job = share.delayed.first()) {
    if (!spend()) return false;
    backlog.undelay(job);
    delayed -= backlog.jobs[job].size();
    leave_queue(job, into);
  }
  return true;
}

void Scheduler::Impl::apply_holds(Mail& mail) {
  mail.held = holds.message(mail.facts.number(), mail.facts.sender());
  if (!holds.any_site()) return;
  for (Ref<Share> ref = mail.shares; ref; ref = backlog.shares[ref].next_of_mail) {
    if (!backlog.shares[ref].domain) continue;
    apply_holds(domains[backlog.shares[ref].domain]);
  }
}

// A Site is held by its name or by that of a host. Where a group joins many hosts, one of them has some of its domains.
void Scheduler::Impl::apply_holds(Site& site) {
  sites.hold(site, site.group ? holds.domain(site.name) : holds.site(site.name, *site.way));
}

void Scheduler::Impl::apply_holds(DomainQueue& domain) const {
  const bool by_host = domain.lane != nullptr && domain.lane->site->group;
  domain.held = by_host ? holds.site(domain.name, *domain.way) : holds.domain(domain.name);
}

// ---- What callers say

void Scheduler::flush(const Selector& what, Monotonic now) {
  Impl& s = *impl_;
  if (what.kind == Selector::Kind::all) s.sites.end_all_holds();
  s.start(Impl::Sweep::Kind::flush, what, now);
}

void Scheduler::hold(const Selector& what, Monotonic now) { impl_->set_hold(what, true, now); }

void Scheduler::release(const Selector& what, Monotonic now) { impl_->set_hold(what, false, now); }

void Scheduler::Impl::set_hold(const Selector& what, bool on, Monotonic now) {
  holds.set(what, on);
  if (what.kind != Selector::Kind::site) return start(Sweep::Kind::hold, what, now);
  tell(now);
  sites.each([&](Site& site) { apply_holds(site); });
  domains.each([&](DomainQueue& domain) {
    const bool was = domain.held;
    apply_holds(domain);
    if (was != domain.held && domain.shares > 0) place(domain, now);
  });
}

void Scheduler::cancel(const Selector& what, Monotonic now) {
  impl_->start(Impl::Sweep::Kind::cancel, what, now);
}

std::vector<std::string> Scheduler::domains_of(std::string_view site) const {
  std::vector<std::string> names;
  impl_->domains.each([&](const DomainQueue& domain) {
    if (domain.shares > 0 && Impl::means(site, domain)) names.emplace_back(domain.name);
  });
  return names;
}

void Scheduler::forget(std::uint64_t message) {
  for (const Ref<Mail> part : impl_->backlog.parts(message)) impl_->forget(part);
}

void Scheduler::Impl::forget(Ref<Mail> mail) {
  Impl& s = *this;
  s.backlog.mails[mail].forgotten = true;
  std::uint32_t left = s.backlog.mails[mail].unfinished;
  const auto drop = [&](Ref<Job> job) {
    left -= s.backlog.jobs[job].size();
    s.drop(job);
  };
  // Those to be answered leave first: they are not found by their shares.
  for (Ring<Job>* ring : {&s.expired, &s.cancelled}) {
    for (Ref<Job> job = ring->first(); job && left > 0;) {
      const Ref<Job> after = ring->after(s.backlog.jobs, job);
      if (s.backlog.shares[s.backlog.jobs[job].share].mail == mail) {
        ring->remove(s.backlog.jobs, job);
        s.ready -= s.backlog.jobs[job].size();
        drop(job);
      }
      job = after;
    }
  }
  for (Ref<Share> ref = left > 0 ? s.backlog.mails[mail].shares : Ref<Share>{}; ref && left > 0;) {
    const Share& share = s.backlog.shares[ref];
    const Ref<Share> after = share.next_of_mail;
    while (const Ref<Job> job = left > 0 ? share.ready.first() : Ref<Job>{}) {
      s.withdraw(job, s.latest);
      drop(job);
    }
    while (const Ref<Job> job = left > 0 ? share.delayed.first() : Ref<Job>{}) {
      s.delayed -= s.backlog.jobs[job].size();
      s.backlog.undelay(job);
      drop(job);
    }
    ref = after;
  }
}

void Scheduler::set_config(SchedulerConfig config, Monotonic now) {
  Impl& s = *impl_;
  s.tell(now);
  s.config = std::move(config);
  s.sites.set_config(s.config, now);
  s.sender_rates.replace_rules(now);
  s.domains.each([&](DomainQueue& domain) {
    if (domain.lane == nullptr) return;
    // It may belong to another Site now; what is in the lane that it left follows as its turn comes.
    Lane& left = *domain.lane;
    domain.lane = &s.sites.join(domain.name, domain.way, now);
    s.sites.leave(left);
    s.apply_holds(*domain.lane->site);
    s.apply_holds(domain);
    domain.set_limits(s.config.sites.domain(domain.name, *domain.way), now);
    if (domain.shares > 0) s.place(domain, now);
  });
}

void Scheduler::reroute(Monotonic now) {
  Impl& s = *impl_;
  s.tell(now);
  s.domains.each([&](DomainQueue& domain) {
    if (domain.lane == nullptr) return;
    domain.outdated = true;
    if (domain.shares > 0) s.place(domain, now);
  });
}

} // namespace bulkmail::agent
