// The network seam on a timeline: mail hosts and a name server at virtual addresses, with latency, cut anywhere.
#pragma once

#include "agent/seams.h"
#include "resolver/dice.h"
#include "tests/resolver/fake_dns.h"
#include "tests/simulation/mail_host.h"
#include "tests/simulation/timeline.h"

#include <map>
#include <memory>

namespace bulkmail::simulation {

class VirtualNetwork : public agent::Network {
 public:
  VirtualNetwork(Timeline& timeline, Dice& dice) : timeline_(timeline), dice_(dice) {}

  resolver::fake::Records records;
  int lost_datagrams = 0; // of 1000
  std::map<resolver::IpAddress, Character> hosts;
  Book book;

  std::unique_ptr<agent::Channel> connect(const resolver::Endpoint& to,
                                          const std::optional<resolver::IpAddress>& from,
                                          agent::Channel::Handler& handler) override;
  std::unique_ptr<agent::Datagram> send(const resolver::Endpoint& to, std::string_view bytes,
                                        agent::Datagram::Handler& handler) override;

  [[nodiscard]] std::size_t connections() const { return *connections_; }

 private:
  class VirtualChannel;
  class VirtualDatagram;

  milliseconds latency() { return milliseconds(1 + static_cast<std::int64_t>(dice_.below(80))); }

  Timeline& timeline_;
  Dice& dice_;
  std::shared_ptr<std::size_t> connections_ = std::make_shared<std::size_t>(0);
};

} // namespace bulkmail::simulation
