// Finds out which MTA-STS policy holds for a domain (RFC 8461): carries the questions of an StsCache to the resolver and over
// HTTPS. A domain that nothing is known of is waited for as long as its record and one fetch of its policy take, a minute at
// most.
//
//   sts.want("d1.example");
//   on a TXT answer: sts.told(name, answer);      on a host's addresses: sts.host_found(target, answer);
//   sts.turn();
//   while (auto answer = sts.next_answer()) …
#pragma once

#include "agent/run/dns_client.h"
#include "agent/run/sts_cache.h"
#include "agent/run/timers.h"
#include "agent/seams.h"

#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

namespace bulkmail::agent {

class StsClient {
 public:
  struct Settings {
    bool allow_private =
        false;           // private_targets: else no policy is fetched from an address that is not public
    std::string ca_file; // "": the system's trust store
  };

  StsClient(Settings settings, DnsClient& dns, Https& https, Clock& clock, Timers& timers);
  StsClient(const StsClient&) = delete;
  StsClient& operator=(const StsClient&) = delete;

  void set(Settings settings) { settings_ = std::move(settings); }

  void restore(const std::string& domain, const StsKept& kept) { cache_.restore(domain, kept, clock_.now()); }

  void want(const std::string& domain) { cache_.want(domain, clock_.now()); }

  void told(const std::string& name, const resolver::TxtAnswer& answer); // not its question: nothing
  void host_found(const resolver::Target& target, const resolver::RouteAnswer& answer); // likewise
  void turn();

  [[nodiscard]] std::optional<std::pair<std::string, StsState>> next_answer() { return cache_.next_answer(); }

  [[nodiscard]] std::optional<std::pair<std::string, StsKept>> next_learned() {
    return cache_.next_learned();
  }

  [[nodiscard]] StsState state(const std::string& domain) const {
    return cache_.state(domain, clock_.now().mono);
  }

 private:
  void fetch(const std::string& domain, const resolver::Route& host);
  void fetched(const std::string& domain, const HttpsAnswer& answer);

  Settings settings_;
  DnsClient& dns_;
  Https& https_;
  Clock& clock_;
  StsCache cache_;
  std::unordered_map<std::string, std::string> asked_; // names whose records are asked for, and the domains
  std::unordered_map<std::string, std::string> looked_up_; // hosts whose addresses are, likewise
  Timers::Alarm alarm_;
  std::shared_ptr<char> alive_ = std::make_shared<char>(); // answers that come later are let go
};

} // namespace bulkmail::agent
