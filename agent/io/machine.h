// What the agent has to know of the machine it runs on.
#pragma once

#include "agent/config/config.h"
#include "resolver/dice.h"
#include "resolver/resolver.h"

#include <cstdint>
#include <string>
#include <vector>

namespace bulkmail::agent {

// Randomness from the kernel, buffered.
class KernelDice : public Dice {
 public:
  std::uint64_t next() override;

 private:
  std::vector<std::uint64_t> pool_;
};

[[nodiscard]] std::vector<resolver::IpAddress> own_addresses(); // loopback left out

struct NameServers {
  std::vector<resolver::Endpoint> servers;
  resolver::TrustAd trust_ad = resolver::TrustAd::never;
};

[[nodiscard]] NameServers name_servers(const Config& config); // those it names, else those of resolv.conf

[[nodiscard]] std::uint64_t resident_memory(); // of this process, octets; 0: unknown

// Raises the limit of descriptors as far as it goes; answers how it is shared out.
struct DescriptorBudget {
  std::uint32_t sessions = 0;
  std::uint32_t questions = 0; // to name servers, each over a socket of its own
};

[[nodiscard]] DescriptorBudget raise_descriptor_limit();

} // namespace bulkmail::agent
