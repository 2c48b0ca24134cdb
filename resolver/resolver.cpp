#include "resolver/resolver.h"

#include "resolver/cache/cache.h"
#include "resolver/client/client.h"
#include "resolver/mx/lookup.h"

#include <algorithm>
#include <deque>
#include <unordered_map>
#include <variant>

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
  rules->dane = config.dane;
  return rules;
}

template <class T>
std::optional<T> take_first(std::deque<T>& queue) {
  if (queue.empty()) return std::nullopt;
  auto first = std::move(queue.front());
  queue.pop_front();
  return first;
}

TxtAnswer txt_answer(const Trail& trail, Monotonic now) {
  const Answer& end = trail.end();
  if (end.kind == Answer::Kind::doubt) return std::unexpected(TxtDoubt{end.text, trail.expires()});
  return Txt{end.texts, usable_until(trail.expires(), now)};
}

} // namespace

struct Resolver::Impl {
  Impl(ResolverConfig config, Dice& dice)
      : rules(rules_from(config)),
        cache(config.cache_entries),
        client(std::move(config.servers), config.timeout, config.attempts, config.sockets, config.trust_ad,
               dice) {}

  // Lookups under way, by what was asked for.
  using Routes = std::unordered_map<Target, MxLookup, TargetHash>;
  using Txts = std::unordered_map<std::string, Trail>;

  // One that waits for an answer.
  struct RouteWaiter {
    Routes::value_type* lookup;
    MxLookup::Ticket ticket;
  };

  using Waiter = std::variant<RouteWaiter, Txts::value_type*>;

  void want(const Target& target, Monotonic now) {
    if (routes.contains(target)) return;
    const auto canonical = canonical_domain(target.domain);
    if (!canonical) {
      ready_routes.emplace_back(target, std::unexpected(RouteFailure{true, "5.1.2", canonical.error(), false,
                                                                     now + longest_negative}));
      return;
    }
    const Target clean{*canonical, target.port, target.host};
    go_on(*routes.try_emplace(target, clean, rules, now).first, now);
    take_finished(now);
  }

  void want_txt(const std::string& name, Monotonic now) {
    if (txts.contains(name)) return;
    go_on(*txts.try_emplace(name, Question{name, Type::txt}).first, now);
    take_finished(now);
  }

  // Asks all that the lookup wants to know, and is done with it if it has its answer.
  void go_on(Routes::value_type& lookup, Monotonic now) {
    auto& [target, mx] = lookup;
    while (auto wanted = mx.next_question()) {
      const auto& [ticket, question] = *wanted;
      if (auto known = ask(question, RouteWaiter{&lookup, ticket}, now))
        mx.answer(ticket, std::move(known), now);
    }
    if (!mx.result()) return;
    ready_routes.emplace_back(target, *std::move(mx.result()));
    routes.erase(routes.find(target));
  }

  void go_on(Txts::value_type& lookup, Monotonic now) {
    auto& [name, trail] = lookup;
    while (!trail.done()) {
      auto known = ask(trail.question(), &lookup, now);
      if (known == nullptr) return;
      trail.answer(std::move(known), now);
    }
    ready_txts.emplace_back(name, txt_answer(trail, now));
    txts.erase(txts.find(name));
  }

  // What is known; null: the waiter will be told.
  std::shared_ptr<const Answer> ask(const Question& question, Waiter waiter, Monotonic now) {
    if (auto known = cache.find(question, now)) {
      ++stats.cache_hits;
      return known;
    }
    const auto [asked, fresh] = waiters.try_emplace(question);
    asked->second.push_back(waiter);
    if (fresh) {
      ++stats.questions;
      client.ask(question, now);
    }
    return nullptr;
  }

  void take_finished(Monotonic now) {
    while (auto finished = client.next_finished()) {
      cache.put(finished->question, finished->answer, now);
      const auto asked = waiters.extract(finished->question);
      for (const Waiter& waiter : asked.mapped()) {
        if (const auto* route = std::get_if<RouteWaiter>(&waiter)) {
          route->lookup->second.answer(route->ticket, finished->answer, now);
          go_on(*route->lookup, now);
        } else {
          auto& txt = *std::get<Txts::value_type*>(waiter);
          txt.second.answer(finished->answer, now);
          go_on(txt, now);
        }
      }
    }
  }

  std::shared_ptr<const MxRules> rules;
  Cache cache;
  Client client;
  Routes routes;
  Txts txts;
  std::unordered_map<Question, std::vector<Waiter>, QuestionHash> waiters;
  std::deque<std::pair<Target, RouteAnswer>> ready_routes;
  std::deque<std::pair<std::string, TxtAnswer>> ready_txts;
  Stats stats;
};

Resolver::Resolver(ResolverConfig config, Dice& dice)
    : impl_(std::make_unique<Impl>(std::move(config), dice)) {}

Resolver::~Resolver() = default;
Resolver::Resolver(Resolver&&) noexcept = default;

void Resolver::want(const Target& target, Monotonic now) { impl_->want(target, now); }

std::optional<std::pair<Target, RouteAnswer>> Resolver::next_route() {
  return take_first(impl_->ready_routes);
}

void Resolver::want_txt(const std::string& name, Monotonic now) { impl_->want_txt(name, now); }

std::optional<std::pair<std::string, TxtAnswer>> Resolver::next_txt() {
  return take_first(impl_->ready_txts);
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
