#include "agent/queue/host_walk.h"

#include <algorithm>
#include <utility>

namespace bulkmail::agent {

using resolver::IpAddress;
using resolver::MailHost;
using transport::Stage;
using transport::Trouble;
using Family = IpAddress::Family;

namespace {

// IPv6 first, the families taking turns; within a family in the resolver's order.
std::vector<IpAddress> interleaved(const std::vector<IpAddress>& addresses) {
  std::array<std::vector<IpAddress>, 2> families;
  for (const IpAddress& address : addresses)
    families[address.family == Family::v6 ? 0 : 1].push_back(address);
  std::vector<IpAddress> mixed;
  for (std::size_t i = 0; mixed.size() < addresses.size(); ++i) {
    for (const auto& family : families) {
      if (i < family.size()) mixed.push_back(family[i]);
    }
  }
  return mixed;
}

Family other(Family family) { return family == Family::v6 ? Family::v4 : Family::v6; }

std::size_t index(Family family) { return static_cast<std::size_t>(family); }

} // namespace

HostWalk::HostWalk(const resolver::Route& route, Dice& dice, HostHealth& health, Monotonic now,
                   std::optional<Family> family)
    : health_(health) {
  health_.forget_old(now);
  const std::vector<const MailHost*> hosts = route.draw(dice);
  // No host's many addresses may keep the next hosts from being tried.
  const std::size_t per_host =
      std::max<std::size_t>(2, max_candidates / std::max<std::size_t>(hosts.size(), 1));
  for (const MailHost* host : hosts) {
    hosts_.push_back({host});
    std::size_t taken = 0;
    for (const IpAddress& address : interleaved(host->addresses)) {
      if (family && address.family != *family) continue;
      if (taken++ < per_host) left_.push_back({host, address});
    }
  }
  std::ranges::stable_partition(left_, [&](const Candidate& c) { return !health_.unreachable(c.address); });
  cut_ = left_.size() > max_candidates;
  if (cut_) left_.resize(max_candidates);
  if (left_.empty()) {
    trouble_ = {Trouble::Kind::lost, Stage::connect, std::nullopt,
                "no mail host has an address of the family that is sent from"};
  }
}

std::deque<HostWalk::Candidate>::iterator HostWalk::first_of(Family family) {
  return std::ranges::find(left_, family, [](const Candidate& c) { return c.address.family; });
}

std::optional<HostWalk::Candidate> HostWalk::next() {
  if (left_.empty()) return std::nullopt;
  auto at = left_.begin();
  if (const Family family = at->address.family; timeouts_[index(family)] >= impatient_connects) {
    const auto alternative = first_of(other(family));
    if (alternative != left_.end()) at = alternative;
  }
  current_ = *at;
  left_.erase(at);
  return current_;
}

milliseconds HostWalk::connect_timeout(milliseconds configured) const {
  const bool alternative = std::ranges::any_of(
      left_, [&](const Candidate& c) { return c.address.family != current_.address.family; });
  return alternative ? std::min<milliseconds>(configured, impatient_connect) : configured;
}

void HostWalk::failed(Trouble trouble, const transport::Peer& peer, Monotonic now) {
  Telling telling = Telling::no_connection;
  if (trouble.stage == Stage::connect) {
    health_.remember_unreachable(current_.address, now);
    if (trouble.kind == Trouble::Kind::timeout) ++timeouts_[index(current_.address.family)];
  } else {
    health_.forget_unreachable(current_.address);
    telling = trouble.reply ? Telling::reply : Telling::no_session;
    const bool for_good =
        trouble.kind == Trouble::Kind::refused && trouble.reply && trouble.reply->kind() == 5;
    HostState& host = *std::ranges::find(hosts_, current_.host, &HostState::host);
    (for_good ? host.refused : host.doubtful) = true;
    // Its other addresses lead to the same refusal.
    if (for_good) std::erase_if(left_, [&](const Candidate& c) { return c.host == current_.host; });
  }
  if (telling < telling_) return;
  telling_ = telling;
  trouble_ = std::move(trouble);
  peer_ = peer;
}

void HostWalk::succeeded(Monotonic /*now*/) { health_.forget_unreachable(current_.address); }

HostWalk::Summary HostWalk::summary() const {
  const bool all = !cut_ && left_.empty() &&
                   std::ranges::all_of(hosts_, [](const HostState& h) { return h.refused && !h.doubtful; });
  return {trouble_, peer_, all};
}

} // namespace bulkmail::agent
