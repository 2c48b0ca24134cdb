#include "agent/run/way_finder.h"

#include "agent/run/log_line.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace bulkmail::agent {

using resolver::StsPolicy;
using transport::TlsLevel;

WayAnswer under_policy(Way way, const StsState& state, Monotonic now) {
  if (!state.policy || state.policy->mode != StsPolicy::Mode::enforce) return way;
  way.expires =
      std::min(way.expires, now + StsCache::longest_check); // the policy may change while the route lives on
  const auto refused = std::ranges::stable_partition(
      way.hosts, [&](const resolver::MailHost& host) { return state.policy->allows(host.name); });
  for (auto& host : refused) way.unusable.push_back(std::move(host.name));
  way.hosts.erase(refused.begin(), refused.end());
  if (way.hosts.empty()) {
    resolver::RouteFailure failure;
    failure.status = "4.7.5";
    failure.text = fmt::format("the MTA-STS policy of {} names none of its mail hosts", way.domain);
    failure.policy = true;
    failure.until = way.expires;
    return std::unexpected(std::move(failure));
  }
  Terms terms = *way.terms;
  terms.tls = std::max(terms.tls, TlsLevel::mta_sts);
  terms.sts = state.policy;
  way.terms = agreed(std::move(terms));
  return way;
}

WayFinder::WayFinder(resolver::ResolverConfig dns, const Settings& settings, Dice& dice, const Seams& seams,
                     Timers& timers)
    : clock_(seams.clock),
      log_(seams.log),
      router_(settings.rules, settings.usual),
      dns_(std::move(dns), dice, seams.clock, seams.network, timers),
      policies_(settings.policies, dns_, seams.https, seams.clock, timers),
      mta_sts_(settings.mta_sts) {}

void WayFinder::set(const Settings& settings) {
  router_.set_rules(settings.rules, settings.usual);
  policies_.set(settings.policies);
  mta_sts_ = settings.mta_sts;
}

void WayFinder::want(const std::string& domain) {
  // A literal has no name that a policy could be of.
  if (mta_sts_ && router_.by_own_mx(domain) && !domain.starts_with('[') &&
      pending_.try_emplace(domain).second)
    policies_.want(domain);
  router_.want(domain);
}

std::optional<std::pair<std::string, WayAnswer>> WayFinder::next_way() {
  if (answers_.empty()) return std::nullopt;
  auto next = std::move(answers_.front());
  answers_.pop_front();
  return next;
}

bool WayFinder::turn(int answers) {
  while (const auto target = router_.next_question()) dns_.want(*target);
  policies_.turn();
  bool more = false;
  for (; answers > 0; --answers) {
    auto found = dns_.next_route();
    if (!found) break;
    if (found->second)
      for (const auto& remark : found->second->remarks) say(log_, Level::info, "route", remark);
    policies_.host_found(found->first, found->second);
    router_.answered(found->first, std::move(found->second));
  }
  more |= answers == 0;
  while (const auto found = dns_.next_txt()) policies_.told(found->first, found->second);
  while (auto way = router_.next_way()) answer(std::move(way->first), std::move(way->second));
  policies_.turn(); // what the answers led to
  while (auto found = policies_.next_answer()) {
    const auto pending = pending_.find(found->first);
    if (pending == pending_.end()) continue;
    if (!found->second.problem.empty())
      say(log_, Level::info, "mta-sts", fmt::format("{}: {}", found->first, found->second.problem));
    pending->second.policy = std::move(found->second);
    judge(found->first, pending->second);
  }
  return dns_.turn() || more;
}

// What can't be reached at all need not wait for a policy.
void WayFinder::answer(std::string domain, WayAnswer way) {
  const auto pending = pending_.find(domain);
  if (pending == pending_.end() || !way || way->terms->tls == TlsLevel::off) {
    if (pending != pending_.end()) pending_.erase(pending);
    answers_.emplace_back(std::move(domain), std::move(way));
    return;
  }
  pending->second.way = *std::move(way);
  judge(domain, pending->second);
}

void WayFinder::judge(const std::string& domain, Pending& pending) {
  if (!pending.way || !pending.policy) return;
  answers_.emplace_back(domain, under_policy(*std::move(pending.way), *pending.policy, clock_.now().mono));
  pending_.erase(answers_.back().first);
}

} // namespace bulkmail::agent
