#include "agent/queue/scheduler.h"

#include "agent/queue/backlog.h"
#include "agent/queue/domains.h"
#include "agent/queue/sites.h"

#include <algorithm>
#include <cassert>
#include <chrono>
#include <unordered_map>
#include <utility>

namespace bulkmail::agent {

namespace {

// Recipients that one answer without a session may settle, and delayed jobs that one call makes ready: so
// many that they cost little each, so few that the loop has its turn within a millisecond.
constexpr std::uint32_t answer_chunk = 1000;
constexpr int due_chunk = 1000;

// A route is used once even if it may not be kept at all (RFC 1035 §3.2.1, TTL 0), but not if that turn is so
// long in coming.
constexpr std::chrono::seconds freshness{30};

using Kind = Disposition::Kind;

bool before(const Disposition& a, const Disposition& b) {
  if (a.kind != b.kind) return a.kind < b.kind;
  return a.kind == Kind::delayed && a.due < b.due;
}

bool alike(const Disposition& a, const Disposition& b) { return !before(a, b) && !before(b, a); }

} // namespace

// A recipient's way: sorted into a Job (backlog.h) → its domain's queue (domain_queue.h) → the Lane that the
// domain's route leads to (sites.h) → an attempt → settled: done, delayed, or back into its domain's queue.
struct Scheduler::Impl {
  struct Attempt {
    std::shared_ptr<Mail> mail;
    Site* site = nullptr;  // of open, reuse, site_down
    SessionId session = 0; // of open, reuse
    List<Job> jobs;
    std::uint32_t count = 0;
  };

  explicit Impl(SchedulerConfig c) : config(c), sites(c) {}

  SchedulerConfig config;
  Backlog backlog;
  Domains domains;
  Sites sites;
  std::unordered_map<AttemptId, Attempt> attempts;
  AttemptId last_attempt = 0;
  List<DomainQueue> unroutable; // with recipients to be answered so
  List<Mail> over;              // with recipients to be answered as expired
  std::uint64_t ready = 0, delayed = 0, resolving = 0, in_attempt = 0; // recipients
  Monotonic latest{};                                                  // the last time that anyone told
  bool paused = false;

  // Recipients become or cease to be ready in a domain's queue.
  void count(const DomainQueue& domain, std::uint64_t more, std::uint64_t less) {
    std::uint64_t& total = domain.resolving() ? resolving : ready;
    total += more - less;
    if (domain.lane != nullptr) domain.lane->site->waiting += more - less;
  }

  void enqueue(Job& job, bool at_head, Monotonic now);
  void place(DomainQueue& domain, Monotonic now);
  void ask(DomainQueue& domain);
  void leave_lane(DomainQueue& domain);
  void withdraw(Job& job);
  void finish(Share& share, std::uint32_t recipients);
  void drop(Job& job);
  void expire(Mail& mail);
  bool advance(Monotonic now);

  Work begin(Work::Kind kind, const std::shared_ptr<Mail>& mail, Attempt*& attempt);
  void fill(Work& work, Attempt& attempt);
  Work take(Work::Kind kind, DomainQueue& domain, std::uint32_t limit);
  DomainQueue* next_domain(Lane& lane, Monotonic now);
  [[nodiscard]] Work close(Session& session, Site* for_other);

  // XVERP gives each recipient a sender of its own.
  [[nodiscard]] std::uint32_t transaction_limit(const DomainQueue& domain) const {
    const bool alone = domain.turns.front().mail->message->envelope().verp.has_value();
    return alone ? 1 : std::max(config.recipients_per_transaction, 1U);
  }

  std::optional<Work> next(Monotonic now);
  std::optional<Work> next_expired();
  std::optional<Work> next_unroutable();
  std::optional<Work> next_site_down(Monotonic now);
  std::optional<Work> next_reuse(Monotonic now);
  std::optional<Work> next_open(Monotonic now);

  void settle_job(Job& job, std::span<const Disposition> dispositions, Monotonic now);
  void settle_alike(Job& job, const Disposition& disposition, Monotonic now);
  void make_due(Job& job, Monotonic now);
  std::vector<std::pair<Disposition, std::uint32_t>> parted; // scratch of settle_job

  void tell(Monotonic now) { latest = std::max(latest, now); }
};

// ---- Into the queues, and out of them

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

// ---- Work

Work Scheduler::Impl::begin(Work::Kind kind, const std::shared_ptr<Mail>& mail, Attempt*& attempt) {
  Work work;
  work.kind = kind;
  work.attempt = ++last_attempt;
  work.message = mail->message;
  attempt = &attempts[work.attempt];
  attempt->mail = mail;
  return work;
}

void Scheduler::Impl::fill(Work& work, Attempt& attempt) {
  work.recipients.reserve(attempt.count);
  const std::uint32_t* order = attempt.mail->order.get();
  for (Job* job = attempt.jobs.first(); job != nullptr; job = attempt.jobs.after(*job)) {
    work.recipients.insert(work.recipients.end(), order + job->begin, order + job->end);
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
      job = &backlog.split(*job, room);
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
    Job& part = end == parted.size() ? job : backlog.split(job, static_cast<std::uint32_t>(end - i));
    settle_alike(part, parted[i].first, now);
    i = end;
  }
}

void Scheduler::Impl::settle_alike(Job& job, const Disposition& disposition, Monotonic now) {
  const Mail& mail = *job.share->mail;
  if (disposition.kind == Kind::done || mail.forgotten) return drop(job);
  if (disposition.kind == Kind::again) return enqueue(job, true, now);
  job.tried = true;
  if (mail.over_for(job)) return enqueue(job, false, now);
  delayed += job.size();
  backlog.delay(job, disposition.due);
}

Scheduler::Scheduler(SchedulerConfig config, Dice&) : impl_(std::make_unique<Impl>(config)) {}

Scheduler::~Scheduler() = default;

void Scheduler::add(spool::Message& message, Monotonic expires, Monotonic now,
                    std::span<const Restored> delayed, bool attempt_first) {
  Impl& s = *impl_;
  s.tell(now);
  if (s.backlog.find(message.number())) return;
  List<Job> ready;
  const auto mail = s.backlog.add(message, s.domains, delayed, now, ready);
  mail->attempt_first = attempt_first;
  s.backlog.expire_at(*mail, expires);
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
  if (Session* session = impl_->sites.find(id)) impl_->sites.established(*session);
}

void Scheduler::session_free(SessionId id, Monotonic now) {
  impl_->tell(now);
  if (Session* session = impl_->sites.find(id)) impl_->sites.free(*session, now);
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
