// How a recipient domain's mail leaves: the way that the Router and the DNS give, on the terms that the domain's own MTA-STS
// policy makes of it (RFC 8461). Both are asked for at once, each domain by itself: one domain's policy never governs
// another's mail, and only a domain's own mail waits for its policy.
//
//   finder.want("d1.example");
//   while (auto way = finder.next_way()) …
//   if (finder.turn(100)) again soon;
#pragma once

#include "agent/queue/router.h"
#include "agent/run/dns_client.h"
#include "agent/run/sts_client.h"
#include "agent/seams.h"

#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>

namespace bulkmail::agent {

// The way on the terms that a policy makes of it: a host that an enforced policy does not name is not used, the others have to
// prove who they are.
[[nodiscard]] WayAnswer under_policy(Way way, const StsState& state, Monotonic now);

class WayFinder {
 public:
  struct Settings {
    std::span<const RouteRule> rules; // while the call lasts
    Terms usual;                      // where no rule says otherwise
    bool mta_sts = true;
    StsClient::Settings policies;
  };

  WayFinder(resolver::ResolverConfig dns, const Settings& settings, Dice& dice, const Seams& seams,
            Timers& timers);
  void set(const Settings& settings); // for what is wanted from now on

  void want(const std::string& domain); // canonical
  [[nodiscard]] std::optional<std::pair<std::string, WayAnswer>> next_way();
  // Asks, and takes up to so many answers; true: there is more to do.
  [[nodiscard]] bool turn(int answers);

  [[nodiscard]] StsClient& policies() { return policies_; }

  [[nodiscard]] const resolver::Resolver& resolver() const { return dns_.resolver(); }

 private:
  // What is known of a domain whose policy counts, until all is.
  struct Pending {
    std::optional<Way> way;
    std::optional<StsState> policy;
  };

  void answer(std::string domain, WayAnswer way);
  void judge(const std::string& domain, Pending& pending);

  Clock& clock_;
  Log& log_;
  Router router_;
  DnsClient dns_;
  StsClient policies_;
  bool mta_sts_;
  std::unordered_map<std::string, Pending> pending_;
  std::deque<std::pair<std::string, WayAnswer>> answers_;
};

} // namespace bulkmail::agent
