// All domains that the queue knows, by name, and which of them need a route.
//
// A domain that nothing waits for any more is kept for a while if it has a route: mail to it tends to follow.
#pragma once

#include "agent/queue/domain_queue.h"

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace bulkmail::agent {

class Domains {
 public:
  // For a domain as it stands in an address. One without a canonical form is hopeless.
  DomainQueue& find_or_make(std::string_view text);
  [[nodiscard]] DomainQueue* find(std::string_view canonical);

  void want(DomainQueue& domain); // to be asked for

  [[nodiscard]] bool anything_wanted() const { return !wanted_.empty(); }

  [[nodiscard]] std::optional<std::string> next_wanted(); // it is `asking` then

  void rest(DomainQueue& domain); // routed, and nothing needs it now
  void wake(DomainQueue& domain); // nothing needed it so far, now something will
  // One whose rest is over, as its route is or as they are too many: the caller takes it out of its lane and
  // erases it.
  [[nodiscard]] DomainQueue* overripe(Monotonic now) const;
  void erase(DomainQueue& domain);

 private:
  // A site's worth of popular domains; each costs a few hundred bytes.
  static constexpr std::size_t max_resting = 10'000;

  struct TextHash {
    using is_transparent = void;

    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };

  DomainQueue& make(std::string name);
  std::unordered_map<std::string, DomainQueue, TextHash, std::equal_to<>> by_name_;
  List<DomainQueue> wanted_;
  List<DomainQueue> resting_; // longest first
  std::size_t resting_count_ = 0;
};

} // namespace bulkmail::agent
