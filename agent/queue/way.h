// How a recipient domain's mail leaves: where to, and on what terms. The resolver finds the Route, the configuration and the
// domain's policies give the terms.
#pragma once

#include "agent/queue/terms.h"
#include "resolver/route.h"

#include <expected>
#include <memory>
#include <utility>

namespace bulkmail::agent {

struct Way : resolver::Route {
  Way(resolver::Route route, std::shared_ptr<const Terms> on = standard_terms())
      : Route(std::move(route)),
        terms(std::move(on)) {}

  std::shared_ptr<const Terms> terms; // never null
  bool by_dns = true;                 // to the domain's own mail hosts; else where a route says
};

using WayAnswer = std::expected<Way, resolver::RouteFailure>;

} // namespace bulkmail::agent
