#include "agent/queue/scheduler.h"

#include "agent/queue/scheduler_impl.h"

#include <algorithm>
#include <cassert>
#include <chrono>

namespace bulkmail::agent {

namespace {

// A route is used once even if it may not be kept at all (RFC 1035 §3.2.1, TTL 0), but not if that turn is so
// long in coming: then the domain is asked for again and has the very next turn.
constexpr std::chrono::seconds freshness{30};

// Steps of some hundred nanoseconds each that one call may take: the loop has its turn well within a millisecond.
constexpr int call_budget = 1000;
// Messages that one call hands out of a domain's queue.
constexpr std::size_t taken_at_once = 1000;

using Kind = Disposition::Kind;

bool before(const Disposition& a, const Disposition& b) {
  if (a.kind != b.kind) return a.kind < b.kind;
  return a.kind == Kind::delayed && a.due < b.due;
}

bool alike(const Disposition& a, const Disposition& b) { return !before(a, b) && !before(b, a); }

} // namespace

// ---- Answers

Scheduler::Impl::Attempt* Scheduler::Impl::find(AttemptId id) {
  const Ref<Attempt> ref{static_cast<std::uint32_t>(id)};
  return attempts.alive(ref) && attempts[ref].id == id ? &attempts[ref] : nullptr;
}

void Scheduler::Impl::settle_job(Ref<Job> ref, std::span<const Disposition> dispositions,
                                 const Attempt& attempt, Monotonic now) {
  const auto differs =
      std::ranges::find_if(dispositions, [&](const Disposition& d) { return !alike(d, dispositions[0]); });
  if (differs == dispositions.end()) return settle_alike(ref, dispositions[0], attempt, now);

  // Recipients part ways: those that were answered alike move together, within the job's own range.
  std::uint32_t* order = backlog.mails[attempt.mail].order() + backlog.jobs[ref].begin;
  parted.clear();
  for (std::size_t i = 0; i < dispositions.size(); ++i) parted.emplace_back(dispositions[i], order[i]);
  std::ranges::stable_sort(parted, before, &decltype(parted)::value_type::first);
  for (std::size_t i = 0; i < parted.size(); ++i) order[i] = parted[i].second;
  for (std::size_t i = 0; i < parted.size();) {
    std::size_t end = i + 1;
    while (end < parted.size() && alike(parted[end].first, parted[i].first)) ++end;
    const Ref<Job> part =
        end == parted.size() ? ref : backlog.split(ref, static_cast<std::uint32_t>(end - i));
    settle_alike(part, parted[i].first, attempt, now);
    i = end;
  }
}

void Scheduler::Impl::settle_alike(Ref<Job> ref, const Disposition& disposition, const Attempt& attempt,
                                   Monotonic now) {
  if (disposition.kind == Kind::done || backlog.mails[attempt.mail].forgotten) return drop(ref);
  if (disposition.kind == Kind::again) return enqueue(ref, Where::front, now);
  Job& job = backlog.jobs[ref];
  job.tried = 1;
  const Share& share = backlog.shares[job.share];
  const Mail& mail = backlog.mails[share.mail];
  const Lane* lane = domains[share.domain].lane;
  const Site* site = attempt.site;
  // An outage is the Site's trouble, and does not count as one of the recipient's attempts.
  if (site != nullptr && site->down && disposition.due == site->hold_until && lane != nullptr &&
      lane->site == site) {
    return enqueue(ref, Where::told, now);
  }
  job.count_attempt();
  if (mail.cancelled || share.cancelled || mail.over_for(job)) return enqueue(ref, Where::back, now);
  delayed += job.size();
  backlog.delay(ref, disposition.due);
}

Scheduler::Scheduler(SchedulerConfig config, Dice& dice)
    : impl_(std::make_unique<Impl>(std::move(config), dice)) {}

Scheduler::~Scheduler() = default;

void Scheduler::add(Consignment consignment, Monotonic now) {
  Impl& s = *impl_;
  s.tell(now);
  if (consignment.recipients.order.empty()) return;
  std::vector<Ref<Job>> ready;
  const Ref<Mail> ref = s.backlog.add(consignment, s.domains, now, ready);
  Mail& mail = s.backlog.mails[ref];
  s.newest = std::max(s.newest, mail.facts.number());
  s.apply_holds(mail);
  mail.weight =
      static_cast<std::uint16_t>(std::clamp(s.config.senders.weight(mail.facts.sender()), 1U, 0xffffU));
  s.delayed += mail.unfinished;
  for (const Ref<Job> job : ready) {
    s.delayed -= s.backlog.jobs[job].size();
    s.enqueue(job, Impl::Where::back, now);
  }
}

std::optional<std::string> Scheduler::next_wanted() { return impl_->domains.next_wanted(); }

void Scheduler::route_found(const std::string& name, WayAnswer answer, Monotonic now) {
  using Question = DomainQueue::Question;
  Impl& s = *impl_;
  s.tell(now);
  DomainQueue* found = s.domains.find(name);
  if (found == nullptr || found->question == Question::none) return;
  DomainQueue& domain = *found;
  s.domains.withdraw(domain);
  domain.question = Question::none;
  const bool needed = !domain.waiting.empty();
  if (answer) {
    Lane* left = domain.lane;
    domain.outdated = false;
    domain.way = std::make_shared<const Way>(std::move(*answer));
    domain.lane = &s.sites.join(name, domain.way, now);
    if (left != nullptr) s.sites.leave(*left);
    domain.set_limits(s.config.sites.domain(name, *domain.way), now);
    s.apply_holds(*domain.lane->site);
    s.apply_holds(domain);
    if (needed) domain.fresh_until = domain.turn_kept ? Monotonic::max() : now + freshness;
  } else {
    s.lose_route(domain);
    if (needed) domain.failure = std::make_shared<const resolver::RouteFailure>(std::move(answer.error()));
  }
  if (!needed) domain.turn_kept = false;
  if (domain.shares > 0) return s.place(domain, now);
  domain.lane != nullptr ? s.domains.rest(domain) : s.domains.erase(domain);
}

std::vector<Consignment> Scheduler::take_domain(const std::string& name, Monotonic now) {
  Impl& s = *impl_;
  s.tell(now);
  std::vector<Consignment> taken;
  DomainQueue* domain = s.domains.find(name);
  if (domain == nullptr || domain->question == DomainQueue::Question::none) return taken;
  s.domains.withdraw(*domain);
  domain->question = DomainQueue::Question::none;
  s.lose_route(*domain);
  // The domain goes with the last of its shares, unless some are in attempts, delayed or held.
  while (taken.size() < taken_at_once && (domain = s.domains.find(name)) != nullptr &&
         !domain->waiting.empty())
    taken.push_back(s.take_share(domain->waiting.first(), now));
  if (domain == nullptr) return taken;
  if (domain->shares > 0)
    s.place(*domain, now);
  else
    s.domains.erase(*domain);
  return taken;
}

// What is ready of a share leaves the queue for good.
Consignment Scheduler::Impl::take_share(Ref<Share> ref, Monotonic now) {
  const Ref<Mail> of = backlog.shares[ref].mail;
  Mail& mail = backlog.mails[of];
  Consignment taken(mail.facts);
  taken.expires = mail.expires;
  taken.until = backlog.expires_at(of);
  taken.attempt_first = mail.attempt_first;
  auto& sorted = taken.recipients;
  sorted.one_by_one = mail.one_by_one;
  sorted.groups.push_back({domains[backlog.shares[ref].domain].name, {}, 0, backlog.shares[ref].waiting});
  for (std::uint32_t left = backlog.shares[ref].waiting; left > 0;) {
    const Ref<Job> job = backlog.shares[ref].ready.first();
    const Job& ready_job = backlog.jobs[job];
    left -= ready_job.size();
    const std::span recipients(mail.order() + ready_job.begin, ready_job.size());
    sorted.order.insert(sorted.order.end(), recipients.begin(), recipients.end());
    if (ready_job.attempts > 0) {
      for (const std::uint32_t recipient : recipients)
        taken.restored.push_back({recipient, ready_job.attempts, now});
    }
    if (ready_job.tried) taken.attempt_first = false;
    withdraw(job, now);
    drop(job);
  }
  return taken;
}

std::optional<Work> Scheduler::next_work(Monotonic now) {
  Impl& s = *impl_;
  s.tell(now);
  s.budget = call_budget;
  s.advance(now);
  auto work = s.next(now);
  s.stopped = !work && s.budget <= 0;
  return work;
}

std::uint64_t Scheduler::steps() const { return impl_->steps; }

void Scheduler::pause(bool paused) { impl_->paused = paused; }

void Scheduler::settle(AttemptId id, std::span<const Disposition> dispositions, Monotonic now,
                       std::optional<Pace> pace) {
  Impl& s = *impl_;
  s.tell(now);
  const Impl::Attempt* found = s.find(id);
  if (found == nullptr) return;
  Impl::Attempt attempt = *found;
  s.attempts.release({static_cast<std::uint32_t>(id)});
  assert(dispositions.size() == attempt.count);

  if (Session* session = pace ? s.sites.find(attempt.session) : nullptr) {
    s.sites.answered(*session, *pace, now);
    const auto answered =
        dispositions.size() -
        static_cast<std::size_t>(std::ranges::count(dispositions, Kind::again, &Disposition::kind));
    session->lane->site->throughput.completed(static_cast<std::uint32_t>(answered), now);
  }
  s.in_attempt -= attempt.count;
  if (attempt.domain) {
    DomainQueue& domain = s.domains[attempt.domain];
    --domain.at_once;
    if (domain.wait == DomainQueue::Wait::room) s.place(domain, now);
  }
  while (const Ref<Job> job = attempt.jobs.first()) {
    attempt.jobs.remove(s.backlog.jobs, job);
    const std::uint32_t own = s.backlog.jobs[job].size();
    s.settle_job(job, dispositions.first(own), attempt, now);
    dispositions = dispositions.subspan(own);
  }
  if (attempt.site != nullptr) s.sites.end_attempt(*attempt.site);
}

// ---- Sessions

void Scheduler::session_established(SessionId id, Monotonic now) {
  impl_->tell(now);
  if (Session* session = impl_->sites.find(id)) impl_->sites.established(*session, now);
}

void Scheduler::session_has_room(SessionId id, Monotonic now) {
  impl_->tell(now);
  if (Session* session = impl_->sites.find(id)) impl_->sites.has_room(*session);
}

void Scheduler::session_free(SessionId id, Monotonic now) {
  impl_->tell(now);
  if (Session* session = impl_->sites.find(id)) impl_->sites.free(*session, now);
}

bool Scheduler::has_company(SessionId id) const {
  const Session* session = impl_->sites.find(id);
  if (session == nullptr) return false;
  const bool itself = session->state == Session::State::busy || session->state == Session::State::idle;
  return session->lane->site->established() > (itself ? 1U : 0U);
}

void Scheduler::session_gone(SessionId id, Gone how, std::shared_ptr<const spool::Outcome> outcome,
                             Monotonic now) {
  impl_->tell(now);
  Session* session = impl_->sites.find(id);
  if (session != nullptr) impl_->sites.gone(*session, how, std::move(outcome), now);
}

void Scheduler::mixing_refused(SessionId id, Monotonic now) {
  impl_->tell(now);
  if (const Session* session = impl_->sites.find(id)) impl_->sites.mixing_refused(*session->lane->site, now);
}

resolver::SiteIdentity Scheduler::site_of(const resolver::Route& route) const {
  return impl_->config.sites.identity(route);
}

void Scheduler::restore_warmup(const WarmupStates& states, Now now) {
  impl_->sites.sources().restore(states, now);
}

WarmupStates Scheduler::warmup(Now now) const { return impl_->sites.sources().states(now); }

Monotonic Scheduler::site_due(SessionId id, Monotonic now) {
  Impl& s = *impl_;
  s.tell(now);
  Session* session = s.sites.find(id);
  if (session == nullptr) return now;
  s.sites.go_down(*session->lane->site, now);
  return session->lane->site->hold_until;
}

// ---- What there is to know

std::optional<Monotonic> Scheduler::wake_at(Monotonic now) const {
  const Impl& s = *impl_;
  if (s.stopped || s.expiring || !s.sweeps.empty() || !s.expired.empty() || !s.cancelled.empty() ||
      s.domains.anything_wanted() || s.sites.too_idle(now) != nullptr)
    return now;
  std::optional<Monotonic> at = s.sites.wake_at();
  const auto consider = [&](std::optional<Monotonic> other) {
    if (other && (!at || *other < *at)) at = other;
  };
  consider(s.backlog.next_expiry());
  if (!s.paused) {
    if (!s.unroutable.empty() || !s.entering.empty() || s.sites.anything_to_do(now)) return now;
    consider(s.backlog.next_due());
    if (!s.limited.empty()) consider(s.limited.top_key());
    consider(s.sender_rates.wake_at());
    consider(s.sites.yield_at());
    consider(s.sites.give_up_at());
  }
  return at ? std::optional(std::max(*at, now)) : std::nullopt;
}

bool Scheduler::finished(std::uint64_t message) const { return !impl_->backlog.find(message); }

std::vector<Scheduler::SiteView> Scheduler::sites() const { return impl_->sites.views(); }

Scheduler::Load Scheduler::load() const {
  const Impl& s = *impl_;
  return {.sessions = s.sites.places().total(),
          .idle = s.sites.idle(),
          .ready = s.ready + s.sites.ready(),
          .delayed = s.delayed + s.sites.put_off(),
          .resolving = s.resolving,
          .held = s.held + s.sites.held(),
          .in_attempt = s.in_attempt};
}

bool Scheduler::quiet() const {
  const Impl& s = *impl_;
  const auto due = s.backlog.next_due();
  return s.ready == 0 && s.sites.to_serve() == 0 && s.sites.down() == nullptr && s.resolving == 0 &&
         s.in_attempt == 0 && s.sweeps.empty() && s.sites.places().total() == s.sites.idle() &&
         (!due || *due > s.latest);
}

} // namespace bulkmail::agent
