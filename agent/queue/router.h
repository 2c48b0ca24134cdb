// Which way mail to a domain goes: the first [[route]] entry that matches it decides, else its MX. Without I/O: what it needs
// to know of the DNS it asks as a question.
//
//   router.want(domain);
//   while (auto target = router.next_question()) resolver.want(*target, now);
//   on an answer:  router.answered(target, answer);
//   while (auto way = router.next_way()) scheduler.route_found(way->domain, way->answer, now);
#pragma once

#include "agent/queue/destination.h"
#include "agent/queue/route_rule.h"
#include "agent/queue/way.h"
#include "resolver/target.h"

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace bulkmail::agent {

class Router {
 public:
  // Rules that were judged before; `usual` are the terms where they say nothing.
  Router(std::span<const RouteRule> rules, const Terms& usual) { set_rules(rules, usual); }

  // For what is routed from now on.
  void set_rules(std::span<const RouteRule> rules, const Terms& usual);

  // Whether its mail goes to its own mail hosts, whatever they are.
  [[nodiscard]] bool by_own_mx(std::string_view domain) const;

  void want(const std::string& domain); // canonical; the answer comes by next_way()
  [[nodiscard]] std::optional<resolver::Target> next_question();
  void answered(const resolver::Target& target, resolver::RouteAnswer answer);
  [[nodiscard]] std::optional<std::pair<std::string, WayAnswer>> next_way();

 private:
  struct Rule {
    Destination destination; // neither target nor socket: the domain's own MX, or a delivery
    std::shared_ptr<const Terms> terms;

    [[nodiscard]] bool own_mx() const { return !destination.target && !terms->local(); }
  };

  // An answer and the domains that wait for it.
  struct Known {
    resolver::Target target;
    resolver::RouteAnswer answer;
    std::vector<std::string> domains;
  };

  [[nodiscard]] std::optional<std::pair<std::string, WayAnswer>> next_local();
  [[nodiscard]] std::optional<std::pair<std::string, WayAnswer>> next_known();
  [[nodiscard]] const Rule& rule_for(std::string_view domain) const;
  [[nodiscard]] static std::optional<resolver::Target> target_of(const Rule& rule, const std::string& domain);
  [[nodiscard]] static WayAnswer way(const Rule& rule, const std::string& domain,
                                     resolver::RouteAnswer answer);

  std::vector<Rule> rules_; // the last one is for what no entry matches
  std::unordered_map<std::string, std::size_t>
      by_name_; // the first that names it; ".example.org": what is below
  std::optional<std::size_t> for_all_;
  std::unordered_map<resolver::Target, std::vector<std::string>, resolver::TargetHash> waiting_; // domains
  std::deque<resolver::Target> questions_;
  std::deque<Known> known_;
  std::deque<std::string> local_; // domains whose way needs no answer
};

} // namespace bulkmail::agent
