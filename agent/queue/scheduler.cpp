#include "agent/queue/scheduler.h"

#include "agent/queue/scheduler_impl.h"

#include <cassert>
#include <chrono>
#include <limits>

namespace bulkmail::agent {

namespace {

// A route is used once even if it may not be kept at all (RFC 1035 §3.2.1, TTL 0), but not if that turn is so
// long in coming: then the domain is asked for again and has the very next turn.
constexpr std::chrono::seconds freshness{30};

using Kind = Disposition::Kind;

bool before(const Disposition& a, const Disposition& b) {
  if (a.kind != b.kind) return a.kind < b.kind;
  return a.kind == Kind::delayed && a.due < b.due;
}

bool alike(const Disposition& a, const Disposition& b) { return !before(a, b) && !before(b, a); }

} // namespace

// ---- Answers

void Scheduler::Impl::settle_job(Job& job, std::span<const Disposition> dispositions, Monotonic now) {
  const auto differs =
      std::ranges::find_if(dispositions, [&](const Disposition& d) { return !alike(d, dispositions[0]); });
  if (differs == dispositions.end()) return settle_alike(job, dispositions[0], now);

  // Recipients part ways: those that were answered alike move together, within the job's own range.
  std::uint32_t* order = job.share->mail->order.get() + job.begin;
  parted.clear();
  for (std::size_t i = 0; i < dispositions.size(); ++i) parted.emplace_back(dispositions[i], order[i]);
  std::ranges::stable_sort(parted, before, &decltype(parted)::value_type::first);
  for (std::size_t i = 0; i < parted.size(); ++i) order[i] = parted[i].second;
  for (std::size_t i = 0; i < parted.size();) {
    std::size_t end = i + 1;
    while (end < parted.size() && alike(parted[end].first, parted[i].first)) ++end;
    Job& part = end == parted.size() ? job : split(job, static_cast<std::uint32_t>(end - i), backlog.jobs());
    settle_alike(part, parted[i].first, now);
    i = end;
  }
}

void Scheduler::Impl::settle_alike(Job& job, const Disposition& disposition, Monotonic now) {
  const Mail& mail = *job.share->mail;
  if (disposition.kind == Kind::done || mail.forgotten) return drop(job);
  if (disposition.kind == Kind::again) return enqueue(job, true, now);
  job.tried = true;
  if (job.attempts < std::numeric_limits<std::uint16_t>::max()) ++job.attempts;
  if (mail.over_for(job)) return enqueue(job, false, now);
  delayed += job.size();
  backlog.delay(job, disposition.due);
}

Scheduler::Scheduler(SchedulerConfig config, Dice&) : impl_(std::make_unique<Impl>(config)) {}

Scheduler::~Scheduler() = default;

void Scheduler::add(Consignment consignment, Monotonic now) {
  Impl& s = *impl_;
  s.tell(now);
  if (s.backlog.find(consignment.facts.number())) return;
  List<Job> ready;
  const auto mail = s.backlog.add(std::move(consignment), s.domains, now, ready);
  s.delayed += mail->unfinished;
  while (Job* job = ready.first()) {
    job->unlink();
    s.delayed -= job->size();
    s.enqueue(*job, false, now);
  }
}

std::optional<std::string> Scheduler::next_wanted() { return impl_->domains.next_wanted(); }

void Scheduler::route_found(const std::string& name, resolver::RouteAnswer answer, Monotonic now) {
  using State = DomainQueue::State;
  Impl& s = *impl_;
  s.tell(now);
  DomainQueue* found = s.domains.find(name);
  if (found == nullptr || (found->state != State::asking && found->state != State::wanted)) return;
  DomainQueue& domain = *found;
  domain.unlink();
  s.count(domain, 0, domain.waiting);
  if (answer) {
    domain.route = std::make_shared<const resolver::Route>(std::move(*answer));
    domain.lane = &s.sites.join(domain.route);
    domain.state = State::routed;
    if (domain.waiting > 0) domain.fresh_until = domain.turn_kept ? Monotonic::max() : now + freshness;
  } else if (domain.waiting > 0) {
    domain.failure = std::make_shared<const resolver::RouteFailure>(std::move(answer.error()));
    domain.state = State::unroutable;
  } else {
    domain.state = State::unknown;
  }
  s.count(domain, domain.waiting, 0);
  if (domain.waiting > 0) return s.place(domain, now);
  domain.turn_kept = false;
  if (domain.shares > 0) return;
  domain.state == State::routed ? s.domains.rest(domain) : s.domains.erase(domain);
}

std::optional<Work> Scheduler::next_work(Monotonic now) {
  Impl& s = *impl_;
  s.tell(now);
  for (;;) {
    const bool more = s.advance(now);
    if (auto work = s.next(now)) return work;
    if (!more) return std::nullopt;
  }
}

void Scheduler::pause(bool paused) { impl_->paused = paused; }

void Scheduler::settle(AttemptId id, std::span<const Disposition> dispositions, Monotonic now) {
  Impl& s = *impl_;
  s.tell(now);
  const auto at = s.attempts.find(id);
  if (at == s.attempts.end()) return;
  Impl::Attempt& attempt = at->second;
  assert(dispositions.size() == attempt.count);

  std::optional<Monotonic> due_again;
  bool answered = false;
  for (const Disposition& d : dispositions) {
    if (d.kind == Kind::delayed) due_again = std::min(due_again.value_or(d.due), d.due);
    if (d.kind == Kind::done) answered = true;
  }
  if (Session* session = s.sites.find(attempt.session)) {
    session->retry_at = due_again;
    session->answered = answered;
  }
  s.in_attempt -= attempt.count;
  while (Job* job = attempt.jobs.first()) {
    job->unlink();
    const auto own = dispositions.first(job->size());
    dispositions = dispositions.subspan(job->size());
    s.settle_job(*job, own, now);
  }
  if (attempt.site != nullptr) s.sites.end_attempt(*attempt.site, due_again);
  s.attempts.erase(at);
}

// ---- Sessions

void Scheduler::session_established(SessionId id, Monotonic now) {
  impl_->tell(now);
  if (Session* session = impl_->sites.find(id)) impl_->sites.established(*session, now);
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
  if (session != nullptr) impl_->sites.gone(*session, how == Gone::refused, std::move(outcome), now);
}

// ---- By hand

void Scheduler::flush(Monotonic now) {
  Impl& s = *impl_;
  s.tell(now);
  s.sites.end_all_holds();
  while (Job* job = s.backlog.due(Monotonic::max())) s.make_due(*job, now);
}

void Scheduler::flush_domain(const std::string& name, Monotonic now) {
  Impl& s = *impl_;
  s.tell(now);
  DomainQueue* domain = s.domains.find(name);
  if (domain == nullptr) {
    const auto canonical = resolver::canonical_domain(name);
    domain = canonical ? s.domains.find(*canonical) : nullptr;
  }
  if (domain == nullptr) return;
  if (domain->lane != nullptr) s.sites.end_hold(*domain->lane->site);
  const auto make_due = [&](const Share& share) {
    while (Job* job = share.delayed.first()) s.make_due(*job, now);
  };
  for (Share* share = domain->turns.first(); share != nullptr; share = domain->turns.after(*share))
    make_due(*share);
  while (Share* share = domain->parked.first()) make_due(*share);
}

void Scheduler::flush_message(std::uint64_t message, Monotonic now) {
  Impl& s = *impl_;
  s.tell(now);
  const auto mail = s.backlog.find(message);
  if (!mail) return;
  for (const Share& share : mail->all_shares()) {
    if (share.domain != nullptr && share.domain->lane != nullptr) s.sites.end_hold(*share.domain->lane->site);
  }
  while (!mail->delayed.empty()) s.make_due(mail->delayed.top(), now);
}

void Scheduler::set_config(SchedulerConfig config) {
  impl_->config = config;
  impl_->sites.set_config(config);
}

void Scheduler::forget(std::uint64_t message) {
  Impl& s = *impl_;
  const auto mail = s.backlog.find(message);
  if (!mail) return;
  mail->forgotten = true;
  for (const Share& share : mail->all_shares()) {
    while (Job* job = share.ready.first()) {
      s.withdraw(*job);
      s.drop(*job);
    }
    while (Job* job = share.delayed.first()) {
      s.backlog.undelay(*job);
      s.delayed -= job->size();
      s.drop(*job);
    }
  }
  while (Job* job = mail->expired.first()) {
    job->unlink();
    s.ready -= job->size();
    s.drop(*job);
  }
  s.backlog.remove(*mail);
}

// ---- What there is to know

std::optional<Monotonic> Scheduler::wake_at(Monotonic now) const {
  const Impl& s = *impl_;
  if (!s.over.empty() || s.domains.anything_wanted() || s.sites.too_idle(now) != nullptr) return now;
  std::optional<Monotonic> at = s.sites.wake_at();
  const auto consider = [&](std::optional<Monotonic> other) {
    if (other && (!at || *other < *at)) at = other;
  };
  consider(s.backlog.next_expiry());
  if (!s.paused) {
    if (!s.unroutable.empty() || s.sites.anything_to_do(now)) return now;
    consider(s.backlog.next_due());
    consider(s.sites.yield_at());
  }
  return at ? std::optional(std::max(*at, now)) : std::nullopt;
}

std::optional<Monotonic> Scheduler::next_attempt(std::uint64_t message) const {
  const auto mail = impl_->backlog.find(message);
  return mail && !mail->delayed.empty() ? std::optional(mail->delayed.top_key()) : std::nullopt;
}

bool Scheduler::finished(std::uint64_t message) const {
  const auto mail = impl_->backlog.find(message);
  return !mail || mail->unfinished == 0;
}

std::vector<Scheduler::SiteView> Scheduler::sites() const { return impl_->sites.views(); }

Scheduler::Load Scheduler::load() const {
  const Impl& s = *impl_;
  return {.sessions = s.sites.places().total(),
          .idle = s.sites.idle(),
          .ready = s.ready,
          .delayed = s.delayed,
          .resolving = s.resolving,
          .in_attempt = s.in_attempt};
}

bool Scheduler::quiet() const {
  const Impl& s = *impl_;
  const auto due = s.backlog.next_due();
  return s.ready == 0 && s.resolving == 0 && s.in_attempt == 0 &&
         s.sites.places().total() == s.sites.idle() && (!due || *due > s.latest);
}

} // namespace bulkmail::agent
