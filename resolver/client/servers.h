// The name servers, and which of them a question goes to: the first one that is well, then the others in
// turn.
#pragma once

#include "resolver/address.h"
#include "resolver/resolver.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace bulkmail::resolver {

// A set of servers, for a question to remember who was of no use to it.
using ServerSet = std::uint64_t;

class Servers {
 public:
  Servers(std::vector<Endpoint> endpoints, TrustAd trust);

  [[nodiscard]] const Endpoint& operator[](std::size_t server) const { return list_[server].endpoint; }

  // Its AD bit counts.
  [[nodiscard]] bool trusted(std::size_t server) const { return list_[server].trusted; }

  // For a first try. A server that has been silent is passed over, but for one question now and then that
  // finds out whether it is back.
  [[nodiscard]] std::optional<std::size_t> first(Monotonic now);
  // For the try after one at `server`; none: all are in `except`.
  [[nodiscard]] std::optional<std::size_t> after(std::size_t server, ServerSet except) const;

  void answered(std::size_t server) { list_[server].silent = 0; }

  void silent(std::size_t server, Monotonic now);

 private:
  struct Server {
    Endpoint endpoint;
    bool trusted = false;
    int silent = 0; // tries without an answer since the last one that had one
    Monotonic avoid_until{};
  };

  std::vector<Server> list_;
};

} // namespace bulkmail::resolver
