#include "resolver/resolver.h"

#include "resolver/cache/cache.h"
#include "resolver/client/client.h"
#include "resolver/mx/lookup.h"

#include <algorithm>
#include <deque>
#include <unordered_map>

namespace bulkmail::resolver {
namespace {

std::shared_ptr<const MxRules> rules_from(const ResolverConfig& config) {
  auto rules = std::make_shared<MxRules>();
  rules->hostname = canonical_domain(config.hostname).value_or("");
  rules->own_addresses = config.own_addresses;
  std::ranges::sort(rules->own_addresses);
  rules->allow_private = config.allow_private;
  rules->ipv4 = config.ipv4;
  rules->ipv6 = config.ipv6;
  return rules;
}

} // namespace

struct Resolver::Impl {
  Impl(ResolverConfig config, Dice& dice)
      : rules(rules_from(config)),
        cache(config.cache_entries),
        client(std::move(config.servers), config.timeout, config.attempts, config.sockets, dice) {}

  // A lookup that waits for an answer.
  struct Waiter {
    const std::string* domain; // its key in lookups
    MxLookup* lookup;
    MxLookup::Ticket ticket;
  };

  void want(const std::string& domain, Monotonic now) {
    if (lookups.contains(domain)) return;
    const auto canonical = canonical_domain(domain);
    if (!canonical) {
      ready.emplace_back(domain, std::unexpected(RouteFailure{true, "5.1.2", canonical.error(), false,
                                                              now + longest_negative}));
      return;
    }
    const auto added = lookups.try_emplace(domain, *canonical, rules, now).first;
    go_on(added->first, added->second, now);
    take_finished(now);
  }

  // Asks all that the lookup wants to know, and is done with it if it has its answer.
  void go_on(const std::string& domain, MxLookup& lookup, Monotonic now) {
    while (auto wanted = lookup.next_question()) {
      const auto& [ticket, question] = *wanted;
      if (auto known = cache.find(question, now)) {
        ++stats.cache_hits;
        lookup.answer(ticket, std::move(known), now);
        continue;
      }
      const auto [asked, fresh] = waiters.try_emplace(question);
      asked->second.push_back({&domain, &lookup, ticket});
      if (!fresh) continue;
      ++stats.questions;
      client.ask(question, now);
    }
    if (!lookup.result()) return;
    ready.emplace_back(domain, *std::move(lookup.result()));
    lookups.erase(lookups.find(domain));
  }

  void take_finished(Monotonic now) {
    while (auto finished = client.next_finished()) {
      cache.put(finished->question, finished->answer, now);
      const auto asked = waiters.extract(finished->question);
      for (const Waiter& waiter : asked.mapped()) {
        waiter.lookup->answer(waiter.ticket, finished->answer, now);
        go_on(*waiter.domain, *waiter.lookup, now);
      }
    }
  }

  std::shared_ptr<const MxRules> rules;
  Cache cache;
  Client client;
  std::unordered_map<std::string, MxLookup> lookups; // under way, by what was asked for
  std::unordered_map<Question, std::vector<Waiter>, QuestionHash> waiters;
  std::deque<std::pair<std::string, RouteAnswer>> ready;
  Stats stats;
};

Resolver::Resolver(ResolverConfig config, Dice& dice)
    : impl_(std::make_unique<Impl>(std::move(config), dice)) {}

Resolver::~Resolver() = default;
Resolver::Resolver(Resolver&&) noexcept = default;

void Resolver::want(const std::string& domain, Monotonic now) { impl_->want(domain, now); }

std::optional<std::pair<std::string, RouteAnswer>> Resolver::next_route() {
  if (impl_->ready.empty()) return std::nullopt;
  auto found = std::move(impl_->ready.front());
  impl_->ready.pop_front();
  return found;
}

std::optional<Action> Resolver::next_action() { return impl_->client.next_action(); }

void Resolver::datagram(SocketId socket, const Endpoint& from, std::string_view bytes, Monotonic now) {
  impl_->client.datagram(socket, from, bytes, now);
  impl_->take_finished(now);
}

void Resolver::datagram_failed(SocketId socket, Monotonic now) {
  impl_->client.datagram_failed(socket, now);
  impl_->take_finished(now);
}

void Resolver::stream_data(SocketId socket, std::string_view bytes, Monotonic now) {
  impl_->client.stream_data(socket, bytes, now);
  impl_->take_finished(now);
}

void Resolver::stream_closed(SocketId socket, Monotonic now) {
  impl_->client.stream_closed(socket, now);
  impl_->take_finished(now);
}

std::optional<Monotonic> Resolver::deadline() const { return impl_->client.deadline(); }

void Resolver::timeout(Monotonic now) {
  impl_->client.timeout(now);
  impl_->take_finished(now);
}

Resolver::Stats Resolver::stats() const {
  Stats stats = impl_->stats;
  const Client::Stats& client = impl_->client.stats();
  stats.sent = client.sent;
  stats.answers = client.answers;
  stats.ignored = client.ignored;
  stats.timeouts = client.timeouts;
  return stats;
}

std::size_t Resolver::in_flight() const { return impl_->client.in_flight(); }

} // namespace bulkmail::resolver
