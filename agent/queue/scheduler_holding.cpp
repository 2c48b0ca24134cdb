// What holds a message: why what is left of it does not go now.
#include "agent/queue/scheduler_impl.h"

#include <algorithm>

namespace bulkmail::agent {

namespace {

using Holding = Scheduler::Holding;
using Cause = Holding::Cause;

// Parts of a message that one answer looks at, and lines it has: the loop has its turn, and people read it.
constexpr int most_looked_at = 1000;
constexpr std::size_t most_lines = 50;

void add_line(std::vector<Holding>& lines, Holding line) {
  if (line.recipients == 0) return;
  const auto same = std::ranges::find_if(
      lines, [&](const Holding& other) { return other.cause == line.cause && other.where == line.where; });
  if (same == lines.end()) {
    if (lines.size() < most_lines) return lines.push_back(std::move(line));
    lines.back().cause = Cause::more;
    lines.back().where.clear();
    lines.back().until.reset();
    lines.back().recipients += line.recipients;
    return;
  }
  same->recipients += line.recipients;
  if (line.until) same->until = std::min(same->until.value_or(*line.until), *line.until);
}

} // namespace

std::string_view to_string(Cause cause) {
  switch (cause) {
  case Cause::under_way: return "being sent";
  case Cause::delayed: return "delayed";
  case Cause::held: return "held";
  case Cause::route: return "its route is being looked up";
  case Cause::site_down: return "the site cannot be reached";
  case Cause::site_rate: return "the site's rate";
  case Cause::source_warmup: return "source warm-up";
  case Cause::domain_rate: return "the domain's rate";
  case Cause::domain_connections: return "the domain's connections are in use";
  case Cause::sender_rate: return "the sender's rate";
  case Cause::window: return "the site has as many sessions as it takes";
  case Cause::places: return "all connections are in use";
  case Cause::opening: return "no connection can be opened here";
  case Cause::turn: return "others have their turn";
  case Cause::more: return "not looked at";
  }
  return "";
}

std::vector<Holding> Scheduler::holding(std::uint64_t message) const {
  Impl& s = *impl_;
  std::vector<Holding> lines;
  int left = most_looked_at;
  std::uint64_t unseen = 0;
  for (const Ref<Mail> part : s.backlog.parts(message)) {
    const Mail& mail = s.backlog.mails[part];
    std::uint64_t seen = 0;
    for (Ref<Share> ref = mail.shares; ref && left-- > 0; ref = s.backlog.shares[ref].next_of_mail) {
      const Share& share = s.backlog.shares[ref];
      if (!share.domain) continue;
      Holding ready = s.held_by(share);
      ready.recipients = share.waiting;
      std::uint64_t under_way = share.unfinished - share.waiting;
      Ref<Job> job = share.delayed.first();
      for (; job && left-- > 0; job = share.delayed.after(s.backlog.jobs, job)) {
        const std::uint32_t recipients = s.backlog.jobs[job].size();
        under_way -= recipients;
        seen += recipients;
        add_line(lines, {Cause::delayed, ready.where, recipients, s.backlog.due_of(job)});
      }
      seen += share.waiting;
      if (!job) { // all that are delayed are known
        add_line(lines, {Cause::under_way, ready.where, under_way, {}});
        seen += under_way;
      }
      add_line(lines, std::move(ready));
    }
    unseen += mail.unfinished - seen;
  }
  add_line(lines, {Cause::more, {}, unseen, {}});
  return lines;
}

// What keeps back that which is ready of a share.
Holding Scheduler::Impl::held_by(const Share& share) {
  const DomainQueue& domain = domains[share.domain];
  const Site* site = domain.lane != nullptr ? domain.lane->site : nullptr;
  const auto because = [&, where = site != nullptr ? site->name : domain.name](
                           Cause cause, std::optional<Monotonic> until = {}) {
    return Holding{cause, where, 0, until};
  };
  if (backlog.mails[share.mail].held || domain.held || (site != nullptr && site->held))
    return because(Cause::held);
  if (share.sender_rate && !share.parcel)
    return because(Cause::sender_rate, sender_rates.next(share.sender_rate, latest));
  if (domain.wait == DomainQueue::Wait::route && !share.parcel) return because(Cause::route);
  if (site != nullptr && site->down) return because(Cause::site_down, site->hold_until);
  if (domain.full()) return because(Cause::domain_connections);
  if (domain.meter.next(latest) > latest) return because(Cause::domain_rate, domain.meter.next(latest));
  if (!share.parcel) return because(Cause::turn);
  const Lane& lane = sites.lane(backlog.parcels[share.parcel].lane);
  if (lane.site->resting) return because(Cause::site_rate, lane.site->meter.next(latest));
  if (!lane.let_out || (lane.pool != nullptr && !lane.pool->has_room()))
    return because(Cause::source_warmup, Sources::next(*lane.pool, latest));
  if (lane.served()) return because(Cause::turn);
  if (lane.site->sessions() + lane.site->promised >= lane.site->window.size()) return because(Cause::window);
  if (const auto until = sites.no_opening_until()) return because(Cause::opening, until);
  return because(sites.places().room() && sites.places().next() == lane.site ? Cause::turn : Cause::places);
}

} // namespace bulkmail::agent
