// What sessions learned about mail hosts, for the sessions after them: which addresses did not answer, and which hosts
// cannot take pipelined commands, chunks or transactions sent ahead. Bounded, as it is peers that fill it; the oldest goes first.
#pragma once

#include "resolver/address.h"
#include "spool/time.h"

#include <chrono>
#include <cstddef>
#include <deque>
#include <map>
#include <string>
#include <utility>

namespace bulkmail::agent {

// Keys that are remembered for a fixed time.
template <class Key>
class Memory {
 public:
  Memory(std::chrono::seconds keep, std::size_t most) : keep_(keep), most_(most) {}

  void add(const Key& key, Monotonic now) {
    until_[key] = now + keep_;
    order_.emplace_back(now + keep_, key);
    while (order_.size() > most_) drop_oldest();
  }

  void remove(const Key& key) { until_.erase(key); }

  [[nodiscard]] bool has(const Key& key) const { return until_.contains(key); }

  void forget_old(Monotonic now) {
    while (!order_.empty() && order_.front().first <= now) drop_oldest();
  }

 private:
  void drop_oldest() {
    const auto& [until, key] = order_.front();
    const auto at = until_.find(key);
    if (at != until_.end() && at->second == until) until_.erase(at); // else it was renewed, or removed
    order_.pop_front();
  }

  std::chrono::seconds keep_;
  std::size_t most_;
  std::map<Key, Monotonic> until_;
  std::deque<std::pair<Monotonic, Key>> order_; // as they were added, renewals included
};

class HostHealth {
 public:
  static constexpr std::size_t max_entries = 10'000; // of some hundred bytes each

  // An address that cannot be connected to is tried after those that can, for five minutes: the first step of a retry
  // schedule, so that each retry asks it again, but not every session in between.
  void remember_unreachable(const resolver::IpAddress& address, Monotonic now) {
    unreachable_.add(address, now);
  }

  void forget_unreachable(const resolver::IpAddress& address) { unreachable_.remove(address); }

  [[nodiscard]] bool unreachable(const resolver::IpAddress& address) const {
    return unreachable_.has(address);
  }

  // For a day: whoever repairs such a host waits for a day's mail at most.
  void remember_broken_pipelining(const std::string& host, Monotonic now) { lock_step_.add(host, now); }

  [[nodiscard]] bool pipelining_broken(const std::string& host) const { return lock_step_.has(host); }

  // Likewise: it does not take the BDAT that it offers, or did not answer all of what was sent ahead.
  void remember_broken_chunking(const std::string& host, Monotonic now) { no_chunks_.add(host, now); }

  [[nodiscard]] bool chunking_broken(const std::string& host) const { return no_chunks_.has(host); }

  void remember_broken_running_ahead(const std::string& host, Monotonic now) { one_by_one_.add(host, now); }

  [[nodiscard]] bool running_ahead_broken(const std::string& host) const { return one_by_one_.has(host); }

  void forget_old(Monotonic now) { // each new session calls this
    unreachable_.forget_old(now);
    lock_step_.forget_old(now);
    no_chunks_.forget_old(now);
    one_by_one_.forget_old(now);
  }

 private:
  Memory<resolver::IpAddress> unreachable_{std::chrono::minutes{5}, max_entries};
  Memory<std::string> lock_step_{std::chrono::hours{24}, max_entries};
  Memory<std::string> no_chunks_{std::chrono::hours{24}, max_entries};
  Memory<std::string> one_by_one_{std::chrono::hours{24}, max_entries};
};

} // namespace bulkmail::agent
