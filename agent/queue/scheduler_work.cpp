#include "agent/queue/scheduler_impl.h"

#include <algorithm>

namespace bulkmail::agent {

namespace {

// Recipients that one answer without a session may settle: the loop has its turn between two of them.
constexpr std::uint32_t answer_chunk = 1000;

} // namespace

Ref<Scheduler::Impl::Attempt> Scheduler::Impl::begin(Work& work, Work::Kind kind, Ref<Mail> of) {
  const Mail& mail = backlog.mails[of];
  const Ref<Attempt> ref = attempts.make();
  work.kind = kind;
  // The number tells a late answer from one to a later attempt in the same place.
  work.attempt = static_cast<std::uint64_t>(++last_serial) << 32 | ref.at;
  work.message = mail.facts.number();
  work.facts = mail.facts.unpack();
  work.expires = mail.expires;
  Attempt& attempt = attempts[ref];
  attempt.id = work.attempt;
  attempt.kind = kind;
  attempt.mail = of;
  return ref;
}

void Scheduler::Impl::fill(Work& work, Attempt& attempt) {
  work.recipients.reserve(attempt.count);
  work.attempts.reserve(attempt.count);
  const std::uint32_t* order = backlog.mails[attempt.mail].order();
  for (Ref<Job> ref = attempt.jobs.first(); ref; ref = attempt.jobs.after(backlog.jobs, ref)) {
    const Job& job = backlog.jobs[ref];
    work.recipients.insert(work.recipients.end(), order + job.begin, order + job.end);
    work.attempts.insert(work.attempts.end(), job.size(), job.attempts);
  }
  in_attempt += attempt.count;
}

// Up to `limit` ready recipients of a share go into an attempt. Those that were told of an outage are not told twice.
void Scheduler::Impl::take_jobs(Ref<Share> from, std::uint32_t limit, Attempt& attempt, Monotonic now) {
  Share& share = backlog.shares[from];
  const std::uint32_t before = attempt.count;
  while (attempt.count < limit && !share.ready.empty()) {
    Ref<Job> ref = share.ready.first();
    const Job& job = backlog.jobs[ref];
    if (attempt.kind == Work::Kind::site_down && job.step == attempt.site->step) break;
    const std::uint32_t room = limit - attempt.count;
    if (job.size() <= room) {
      share.ready.remove(backlog.jobs, ref);
    } else {
      ref = backlog.split(ref, room);
    }
    attempt.jobs.push_back(backlog.jobs, ref);
    attempt.count += backlog.jobs[ref].size();
  }
  const std::uint32_t taken = attempt.count - before;
  if (share.ready.empty()) {
    leave(from, now);
  } else {
    count(share, 0, taken);
  }
  share.waiting -= taken;
}

// What a share sends in a transaction; its parcel's other shares come next. False: that was all of the parcel.
bool Scheduler::Impl::take_turn(Ref<Share> ref, std::uint32_t limit, Attempt& attempt, Monotonic now) {
  const Share& share = backlog.shares[ref];
  DomainQueue& domain = domains[share.domain];
  const Ref<Parcel> at = share.parcel;
  const bool last_share = share.links.next == ref;
  const std::uint32_t before = attempt.count;
  take_jobs(ref, limit, attempt, now);
  if (share.parcel) backlog.parcels[at].shares.rotate(backlog.shares);
  domain.fresh_until = {};
  domain.meter.take(attempt.count - before, now);
  if (std::exchange(domain.one_is_out, false)) place(domain, now);
  return share.parcel || !last_share;
}

// Whether it can be in a transaction with its message's other shares of the lane: if its domain lacks nothing, and has no
// turns of its own to keep.
bool Scheduler::Impl::may_go_along(const Share& share, const Lane& lane, Monotonic now) {
  const DomainQueue& domain = domains[share.domain];
  return !share.sender_rate && !domain.held && domain.lane == &lane && domain.usable(now) &&
         !domain.one_by_one(now);
}

// A transaction over a session, with as many recipients as may go together: of the share, and where domains may be mixed of
// those behind it.
Work Scheduler::Impl::transact(Work::Kind kind, Lane& lane, Ref<Share> ref, Session& session, Monotonic now) {
  Work work;
  const Share& share = backlog.shares[ref];
  DomainQueue& domain = domains[share.domain];
  Attempt& attempt = attempts[begin(work, kind, share.mail)];
  attempt.site = lane.site;
  attempt.session = work.session = session.id;
  work.way = domain.way;
  if (lane.pool != nullptr)
    work.source = session.source != nullptr ? session.source->address : lane.pool->first;
  // A Site with a rate rests between two attempts, though it has work.
  if (lane.site->attempts == 0 && !lane.site->meter.limits()) lane.site->throughput.begun(now);
  sites.begin_attempt(*lane.site);
  const bool alone = backlog.mails[share.mail].one_by_one;
  const Ref<SenderRate> sender_rate = share.sender_rate;
  const std::uint32_t limit =
      alone ? 1
            : std::min({std::max(config.recipients_per_transaction, 1U), work.way->terms->recipients,
                        domain.meter.most(), sites.most(session, now), sender_rates.most(sender_rate)});
  const bool mixes = !alone && may_go_along(share, lane, now) && sites.may_mix(*lane.site, now);
  attempt.domain = share.domain; // the only one whose transactions are counted: such go alone
  ++domain.at_once;
  const Ref<Parcel> at = share.parcel;
  bool more = take_turn(ref, limit, attempt, now);
  while (mixes && more && attempt.count < limit && spend()) {
    const Ref<Share> next = backlog.parcels[at].shares.first(); // the one before had room for all of it
    if (!may_go_along(backlog.shares[next], lane, now)) break;
    more = take_turn(next, limit, attempt, now);
    work.mixed = true;
  }
  if (more) charge(at, attempt.count);
  if (sender_rate) sender_rates.take(sender_rate, ref, attempt.count, now);
  sites.spend(session, attempt.count, now);
  fill(work, attempt);
  sites.refresh(lane);
  return work;
}

Work Scheduler::Impl::close(Session& session, Site* for_other) {
  sites.close(session, for_other);
  Work work;
  work.kind = Work::Kind::close;
  work.session = session.id;
  return work;
}

// Recipients of one message that are to be answered without having been tried.
Work Scheduler::Impl::leaving(Work::Kind kind, Ring<Job>& jobs) {
  Work work;
  const Ref<Mail> mail = backlog.shares[backlog.jobs[jobs.first()].share].mail;
  Attempt& attempt = attempts[begin(work, kind, mail)];
  while (attempt.count < answer_chunk && !jobs.empty()) {
    Ref<Job> ref = jobs.first();
    if (backlog.shares[backlog.jobs[ref].share].mail != mail) break;
    const std::uint32_t room = answer_chunk - attempt.count;
    if (backlog.jobs[ref].size() > room) {
      ref = backlog.split(ref, room);
    } else {
      jobs.remove(backlog.jobs, ref);
    }
    attempt.jobs.push_back(backlog.jobs, ref);
    attempt.count += backlog.jobs[ref].size();
  }
  ready -= attempt.count;
  fill(work, attempt);
  return work;
}

std::optional<Work> Scheduler::Impl::next(Monotonic now) {
  if (!cancelled.empty()) return leaving(Work::Kind::cancelled, cancelled);
  if (!expired.empty()) return leaving(Work::Kind::expired, expired);
  if (Session* session = sites.too_idle(now)) return close(*session, nullptr);
  if (paused) return std::nullopt;
  if (auto work = next_unroutable(now)) return work;
  if (auto work = next_site_down(now)) return work;
  do {
    if (auto work = next_reuse(now)) return work;
    if (Session* session = sites.in_the_way()) return close(*session, nullptr);
    if (auto work = next_open(now)) return work;
  } while (sites.let_out() && spend()); // whoever was let out before can't go for want of something else
  if (Session* session = sites.to_yield(now)) return close(*session, sites.places().next());
  if (Session* session = sites.to_give_up(now)) {
    sites.give_up(*session);
    Work work;
    work.kind = Work::Kind::give_up;
    work.session = session->id;
    return work;
  }
  return std::nullopt;
}

std::optional<Work> Scheduler::Impl::next_unroutable(Monotonic now) {
  while (DomainQueue* domain = unroutable.first()) {
    if (!spend()) return std::nullopt;
    const Ref<Share> ref = domain->waiting.first();
    const Share& share = backlog.shares[ref];
    if (backlog.mails[share.mail].held) {
      leave(ref, now);
      held += share.waiting;
      continue;
    }
    Work work;
    Attempt& attempt = attempts[begin(work, Work::Kind::unroutable, share.mail)];
    work.failure = *domain->failure;
    take_jobs(ref, answer_chunk, attempt, now);
    fill(work, attempt);
    return work;
  }
  return std::nullopt;
}

std::optional<Work> Scheduler::Impl::next_site_down(Monotonic now) {
  while (Lane* lane = sites.down()) {
    const Ref<Share> ref = next_share(*lane, now);
    if (!ref) {
      if (budget <= 0) return std::nullopt;
      continue;
    }
    Work work;
    Site& site = *lane->site;
    Attempt& attempt = attempts[begin(work, Work::Kind::site_down, backlog.shares[ref].mail)];
    attempt.site = &site;
    sites.begin_attempt(site);
    work.last_outcome = site.last_outcome;
    work.due = site.hold_until;
    take_jobs(ref, answer_chunk, attempt, now);
    fill(work, attempt);
    return work;
  }
  return std::nullopt;
}

std::optional<Work> Scheduler::Impl::next_reuse(Monotonic now) {
  while (Lane* lane = sites.servable()) {
    Session* usable = sites.usable_session(*lane);
    if (usable == nullptr) {
      if (!spend()) return std::nullopt;
      continue;
    }
    const Ref<Share> ref = next_share(*lane, now);
    if (!ref) {
      if (budget <= 0) return std::nullopt;
      continue;
    }
    Session& session = *usable;
    const bool too_many = sites.too_many(session) || sites.must_make_way(session, now);
    Site* const other = too_many ? nullptr : sites.places().to_give_way_to(session, now);
    if (too_many || other != nullptr) {
      if (session.state == Session::State::idle) return close(session, other);
      sites.no_room(session); // it has to come home first
      continue;
    }
    sites.start(session);
    return transact(Work::Kind::reuse, *lane, ref, session, now);
  }
  return std::nullopt;
}

std::optional<Work> Scheduler::Impl::next_open(Monotonic now) {
  while (Lane* lane = sites.to_open()) {
    if (!sites.may_open(*lane)) {
      if (!spend()) return std::nullopt;
      continue;
    }
    const Ref<Share> ref = next_share(*lane, now);
    if (!ref) {
      if (budget <= 0) return std::nullopt;
      continue;
    }
    return transact(Work::Kind::open, *lane, ref, sites.open(*lane, now), now);
  }
  return std::nullopt;
}

} // namespace bulkmail::agent
