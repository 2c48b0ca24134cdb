// Carries the resolver's questions over the network seam.
#pragma once

#include "agent/run/timers.h"
#include "agent/seams.h"
#include "resolver/resolver.h"

#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

namespace bulkmail::agent {

class DnsClient {
 public:
  DnsClient(resolver::ResolverConfig config, Dice& dice, Clock& clock, Network& network, Timers& timers);
  ~DnsClient();

  void want(const resolver::Target& target);
  [[nodiscard]] std::optional<std::pair<resolver::Target, resolver::RouteAnswer>> next_route();
  void want_txt(const std::string& name);
  [[nodiscard]] std::optional<std::pair<std::string, resolver::TxtAnswer>> next_txt();
  // Sends some of what is to be sent; true: there is more.
  [[nodiscard]] bool turn();

  [[nodiscard]] const resolver::Resolver& resolver() const { return resolver_; }

 private:
  class Socket;
  class Stream;
  bool act(); // false: there is nothing to do
  resolver::Resolver resolver_;
  Clock& clock_;
  Network& network_;
  Timers::Alarm alarm_;
  std::unordered_map<resolver::SocketId, std::unique_ptr<Socket>> sockets_;
  std::unordered_map<resolver::SocketId, std::unique_ptr<Stream>> streams_;
};

} // namespace bulkmail::agent
