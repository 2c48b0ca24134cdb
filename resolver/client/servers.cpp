#include "resolver/client/servers.h"

#include <chrono>

namespace bulkmail::resolver {
namespace {

constexpr std::size_t max_servers = 64; // one bit each in a ServerSet
// A resolver is silent about a domain whose own servers are: one silence tells nothing, ten in a row do.
constexpr int silences_to_avoid = 10;
constexpr std::chrono::seconds avoid_for{30};

} // namespace

Servers::Servers(std::vector<Endpoint> endpoints, TrustAd trust) {
  if (endpoints.size() > max_servers) endpoints.resize(max_servers);
  for (const Endpoint& endpoint : endpoints) {
    const bool trusted =
        trust == TrustAd::always || (trust == TrustAd::loopback && endpoint.address.is_loopback());
    list_.push_back({endpoint, trusted, 0, {}});
  }
}

std::optional<std::size_t> Servers::first(Monotonic now) {
  if (list_.empty()) return std::nullopt;
  for (std::size_t i = 0; i < list_.size(); ++i) {
    Server& server = list_[i];
    if (server.silent < silences_to_avoid) return i;
    if (server.avoid_until <= now) {
      server.avoid_until = now + avoid_for; // this question is the probe; the others go on elsewhere
      return i;
    }
  }
  return 0;
}

std::optional<std::size_t> Servers::after(std::size_t server, ServerSet except) const {
  for (std::size_t i = 1; i <= list_.size(); ++i) {
    const std::size_t candidate = (server + i) % list_.size();
    if ((except >> candidate & 1U) == 0) return candidate;
  }
  return std::nullopt;
}

void Servers::silent(std::size_t server, Monotonic now) {
  Server& quiet = list_[server];
  if (++quiet.silent == silences_to_avoid) quiet.avoid_until = now + avoid_for;
}

} // namespace bulkmail::resolver
