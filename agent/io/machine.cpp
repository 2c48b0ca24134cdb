#include "agent/io/machine.h"

#include <ifaddrs.h>
#include <netinet/in.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>

namespace bulkmail::agent {
namespace {

constexpr rlim_t reserved_descriptors = 200; // files, clients, the log
constexpr rlim_t most_questions = 2000;
constexpr rlim_t most_descriptors = 1'048'576; // the kernel's usual nr_open

resolver::TrustAd trust_in(const Config& config, resolver::TrustAd automatic) {
  using TrustAd = Config::Resolver::TrustAd;
  switch (config.resolver.trust_ad) {
  case TrustAd::automatic: return automatic;
  case TrustAd::yes: return resolver::TrustAd::always;
  case TrustAd::no: break;
  }
  return resolver::TrustAd::never;
}

} // namespace

std::uint64_t KernelDice::next() {
  if (pool_.empty()) {
    pool_.resize(32); // 256 bytes: what getrandom gives whole
    auto* bytes = reinterpret_cast<char*>(pool_.data());
    const std::size_t size = pool_.size() * sizeof(std::uint64_t);
    while (getrandom(bytes, size, 0) != static_cast<ssize_t>(size)) {
      if (errno != EINTR) throw std::runtime_error("getrandom failed");
    }
  }
  const std::uint64_t value = pool_.back();
  pool_.pop_back();
  return value;
}

std::vector<resolver::IpAddress> own_addresses() {
  std::vector<resolver::IpAddress> addresses;
  ifaddrs* interfaces = nullptr;
  if (getifaddrs(&interfaces) != 0) return addresses;
  for (const auto* item = interfaces; item != nullptr; item = item->ifa_next) {
    if (item->ifa_addr == nullptr) continue;
    resolver::IpAddress address;
    if (item->ifa_addr->sa_family == AF_INET) {
      std::memcpy(address.bytes.data(), &reinterpret_cast<const sockaddr_in*>(item->ifa_addr)->sin_addr, 4);
    } else if (item->ifa_addr->sa_family == AF_INET6) {
      address.family = resolver::IpAddress::Family::v6;
      std::memcpy(address.bytes.data(), &reinterpret_cast<const sockaddr_in6*>(item->ifa_addr)->sin6_addr,
                  16);
    } else {
      continue;
    }
    if (!address.is_loopback()) addresses.push_back(address);
  }
  freeifaddrs(interfaces);
  return addresses;
}

NameServers name_servers(const Config& config) {
  if (!config.resolver.servers.empty())
    return {config.resolver.servers, trust_in(config, resolver::TrustAd::loopback)};
  std::ifstream file("/etc/resolv.conf");
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  auto found = resolver::parse_resolv_conf(text);
  return {std::move(found.servers),
          trust_in(config, found.trust_ad ? resolver::TrustAd::always : resolver::TrustAd::never)};
}

std::uint64_t resident_memory() {
  std::ifstream file("/proc/self/statm");
  std::uint64_t size = 0, resident = 0;
  if (!(file >> size >> resident)) return 0;
  return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

DescriptorBudget raise_descriptor_limit() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = std::min(limit.rlim_max, most_descriptors);
  setrlimit(RLIMIT_NOFILE, &limit);
  getrlimit(RLIMIT_NOFILE, &limit);
  const rlim_t usable = limit.rlim_cur > 2 * reserved_descriptors ? limit.rlim_cur - reserved_descriptors
                                                                  : std::max<rlim_t>(4, limit.rlim_cur / 2);
  const rlim_t questions = std::min<rlim_t>(usable / 4, most_questions);
  return {static_cast<std::uint32_t>(usable - questions), static_cast<std::uint32_t>(questions)};
}

} // namespace bulkmail::agent
