#include "agent/run/sts_client.h"

#include <fmt/format.h>

namespace bulkmail::agent {

namespace {

constexpr std::size_t most_addresses = 8; // of a policy host, that are tried

} // namespace

StsClient::StsClient(Settings settings, DnsClient& dns, Https& https, Clock& clock, Timers& timers)
    : settings_(std::move(settings)),
      dns_(dns),
      https_(https),
      clock_(clock),
      alarm_(timers, [this] { cache_.timeout(clock_.now()); }) {}

void StsClient::turn() {
  while (const auto action = cache_.next_action()) {
    if (action->kind == StsCache::Action::Kind::ask) {
      const auto name = resolver::sts_record_name(action->domain);
      asked_.emplace(name, action->domain);
      dns_.want_txt(name);
    } else {
      const auto host = resolver::sts_policy_host(action->domain);
      looked_up_.emplace(host, action->domain);
      dns_.want(resolver::Target{.domain = host, .host = true});
    }
  }
  alarm_.set(cache_.deadline());
}

void StsClient::told(const std::string& name, const resolver::TxtAnswer& answer) {
  const auto asked = asked_.extract(name);
  if (asked.empty()) return;
  const std::vector<std::string> none;
  cache_.told(asked.mapped(), answer ? answer->texts : none, answer ? answer->expires : answer.error().until,
              clock_.now());
}

void StsClient::host_found(const resolver::Target& target, const resolver::RouteAnswer& answer) {
  if (!target.host) return;
  const auto looked_up = looked_up_.extract(target.domain);
  if (looked_up.empty()) return;
  if (answer) return fetch(looked_up.mapped(), *answer);
  fetched(looked_up.mapped(), std::unexpected(answer.error().text));
}

void StsClient::fetch(const std::string& domain, const resolver::Route& host) {
  HttpsRequest request;
  request.host = resolver::sts_policy_host(domain);
  request.path = resolver::sts_policy_path;
  request.ca_file = settings_.ca_file;
  request.longest_answer = resolver::sts_max_policy;
  for (const auto& known : host.hosts)
    for (const auto& address : known.addresses)
      if ((settings_.allow_private || !address.is_private()) && request.addresses.size() < most_addresses)
        request.addresses.push_back(address);
  if (request.addresses.empty())
    return fetched(domain, std::unexpected(fmt::format("{} has no public address", request.host)));
  https_.send(std::move(request), [this, domain, alive = std::weak_ptr(alive_)](const HttpsAnswer& answer) {
    if (!alive.expired()) fetched(domain, answer);
  });
}

void StsClient::fetched(const std::string& domain, const HttpsAnswer& answer) {
  cache_.fetched(domain, answer, clock_.now());
}

} // namespace bulkmail::agent
