// What can be said of when a message will be done: of each of its parts by the Site that it goes to, as that does now.
#include "agent/queue/scheduler_impl.h"

#include <algorithm>
#include <chrono>
#include <unordered_map>

namespace bulkmail::agent {

namespace {

// Shares that are looked at, and as many delayed jobs in all of them: a millisecond's worth. Of a message that has more the
// first ones stand for the rest: they are sorted by domain, and so by nothing that matters.
constexpr std::uint32_t most_looked_at = 4096;

constexpr float longest_s = 1e9F; // what takes longer will not be done

Monotonic after(Monotonic begin, float seconds) {
  return begin + std::chrono::duration_cast<Monotonic::duration>(
                     std::chrono::duration<float>(std::min(seconds, longest_s)));
}

} // namespace

struct Scheduler::Impl::Look {
  Impl& queue;
  Monotonic now;
  double scale = 1;               // recipients that one that is looked at stands for
  std::uint32_t jobs_a_share = 1; // delayed ones that are looked at
  Outlook outlook{};
  std::unordered_map<std::uint32_t, std::uint64_t> ready{}; // recipients, by parcel

  [[nodiscard]] static float rate(const Site& site, Monotonic now) {
    return site.attempts > 0 || site.meter.limits() ? site.throughput.rate(now) : site.throughput.rate();
  }

  void unknown(std::uint64_t recipients) {
    outlook.unknown += static_cast<std::uint64_t>(static_cast<double>(recipients) * scale);
  }

  // From then on, or when the Site is tried again, as fast as it serves them, of which this message has a part.
  void at_site(const Site* site, Monotonic from, std::uint64_t recipients, double part = 1) {
    const float per_second = site == nullptr ? 0 : rate(*site, now);
    if (per_second <= 0 || site->held) return unknown(recipients);
    if (site->down) from = std::max(from, site->hold_until);
    const double all = static_cast<double>(recipients) * scale;
    // Whatever the others have of it: when all that waits there is done, so is this.
    const double before = std::max(std::min(all / part, static_cast<double>(site->waiting)), all);
    outlook.stretches.push_back(
        {from, after(from, static_cast<float>(before) / per_second), static_cast<std::uint64_t>(all)});
  }

  void at_share(const Share& share) {
    const DomainQueue& domain = queue.domains[share.domain];
    const Mail& mail = queue.backlog.mails[share.mail];
    const Site* site = domain.lane == nullptr ? nullptr : domain.lane->site;
    if (mail.held || domain.held) return unknown(share.unfinished);
    std::uint32_t left = share.unfinished - share.waiting;
    std::uint32_t looked_at = 0;
    for (Ref<Job> job = share.delayed.first(); job && left > 0;
         job = share.delayed.after(queue.backlog.jobs, job)) {
      // All that there is no room to look at are taken to be like the last one.
      const std::uint32_t of_it = ++looked_at < jobs_a_share ? queue.backlog.jobs[job].size() : left;
      at_site(site, queue.backlog.due_of(job), of_it);
      left -= of_it;
    }
    if (left > 0) at_site(site, now, left); // in an attempt
    if (share.waiting == 0) return;
    if (share.parcel) {
      ready[share.parcel.at] += share.waiting;
    } else if (domain.wait == DomainQueue::Wait::answer) {
      outlook.stretches.push_back({now, now, share.waiting});
    } else {
      at_site(site, domain.meter.next(now), share.waiting);
    }
  }

  void at_parcels(const Mail& mail) {
    for (const auto& [at, recipients] : ready) {
      const Lane& lane = queue.sites.lane(queue.backlog.parcels[Ref<Parcel>{at}].lane);
      at_site(lane.site, now, recipients,
              static_cast<double>(mail.weight) / static_cast<double>(lane.weight));
    }
  }
};

Outlook Scheduler::Impl::look_at(Ref<Mail> of, Monotonic now) {
  const Mail& mail = backlog.mails[of];
  Look look{.queue = *this, .now = now};
  const auto each_share = [&](auto visit) {
    std::uint32_t shares = 0;
    for (Ref<Share> ref = mail.shares; ref && shares < most_looked_at;
         ref = backlog.shares[ref].next_of_mail) {
      ++shares;
      visit(backlog.shares[ref]);
    }
    return shares;
  };
  std::uint64_t seen = 0;
  const std::uint32_t shares = each_share([&](const Share& share) { seen += share.unfinished; });
  if (seen == 0) return {};
  look.scale = static_cast<double>(mail.unfinished) / static_cast<double>(seen);
  look.jobs_a_share = std::max(most_looked_at / shares, 1U);
  each_share([&](const Share& share) {
    if (share.unfinished > 0) look.at_share(share);
  });
  look.at_parcels(mail);
  return std::move(look.outlook);
}

Outlook Scheduler::outlook(std::uint64_t message, Monotonic now) const {
  Outlook all;
  for (const Ref<Mail> part : impl_->backlog.parts(message)) all.add(impl_->look_at(part, now));
  return all;
}

} // namespace bulkmail::agent
