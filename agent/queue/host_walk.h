// One session's way along a Route: host by host in the order of preference, equals shuffled (RFC 5321 §5.1); within a host
// address by address, IPv6 first, the families taking turns (RFC 8305 §4). Addresses that lately could not be reached come
// last. Where one family seems to lead nowhere, the other is tried before more time is spent on it, so that black-holed
// IPv6 costs ten seconds at most.
//
//   HostWalk walk(route, dice, health, now);
//   while (auto candidate = walk.next()) {
//     connect, for walk.connect_timeout(configured) at most, and greet
//     no connection, or no session: walk.failed(trouble, peer, now);
//     ready:                        walk.succeeded(now); done
//   }
//   walk.summary() says what to tell of a way that led nowhere
#pragma once

#include "agent/queue/host_health.h"
#include "resolver/dice.h"
#include "resolver/route.h"
#include "transport/client/client.h"
#include "transport/verdict.h"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

namespace bulkmail::agent {

class HostWalk {
 public:
  // A session's patience: at the default connect timeout, ten minutes of it.
  static constexpr std::size_t max_candidates = 20;
  // How long a connect may take while the other family is untried, and after how many such waits in vain it has its turn.
  static constexpr std::chrono::seconds impatient_connect{5};
  static constexpr int impatient_connects = 2;

  struct Candidate {
    const resolver::MailHost* host = nullptr; // of the route
    resolver::IpAddress address;
  };

  struct Summary {
    transport::Trouble trouble;      // the most telling one
    transport::Peer peer;            // whose that was
    bool every_host_refused = false; // with 5yz replies to the greeting or to EHLO and HELO
  };

  // The route and the health must outlive it. `family`: of the address it is sent from; none: either.
  HostWalk(const resolver::Route& route, Dice& dice, HostHealth& health, Monotonic now,
           std::optional<resolver::IpAddress::Family> family = std::nullopt);

  [[nodiscard]] std::optional<Candidate> next();
  // For the candidate that came last.
  [[nodiscard]] milliseconds connect_timeout(milliseconds configured) const;
  void failed(transport::Trouble trouble, const transport::Peer& peer, Monotonic now);
  void succeeded(Monotonic now);

  [[nodiscard]] Summary summary() const;

 private:
  enum class Telling : std::uint8_t { nothing, no_connection, no_session, reply };

  struct HostState {
    const resolver::MailHost* host = nullptr;
    bool refused = false;  // by a 5yz reply, which is an answer for the whole host
    bool doubtful = false; // something else, and no mere lack of a connection
  };

  [[nodiscard]] std::deque<Candidate>::iterator first_of(resolver::IpAddress::Family family);

  HostHealth& health_;
  Candidate current_;
  std::deque<Candidate> left_;
  std::vector<HostState> hosts_;
  std::array<int, 2> timeouts_{}; // connects that led nowhere, by family
  bool cut_ = false;              // there were more candidates
  Telling telling_ = Telling::nothing;
  transport::Trouble trouble_;
  transport::Peer peer_;
};

} // namespace bulkmail::agent
