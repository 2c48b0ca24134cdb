// The MTA-STS policies that are known (RFC 8461 §3.3, §5.1), without I/O: says what it wants asked and fetched, takes the
// answers, and tells for each domain which policy holds.
//
// A policy that was fetched holds until its max_age is over, whatever the DNS or the web server say or don't say meanwhile; a
// new id in the DNS makes it be fetched anew, and one that is in use is fetched anew before it ends. Where nothing is known
// and nothing can be learned, mail goes as if there were no policy. Mail of one domain waits for one fetch at most, and for no
// other domain's.
//
//   cache.want("d1.example", now);
//   while (auto action = cache.next_action()) perform it, then told(…) or fetched(…)
//   while (auto answer = cache.next_answer()) …
//   while (auto kept = cache.next_learned()) keep it over a restart: restore(…)
//   arm a timer at cache.deadline(): cache.timeout(now);
#pragma once

#include "resolver/policy/mta_sts.h"
#include "spool/time.h"

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace bulkmail::agent {

using resolver::StsPolicy;

// What holds for a domain.
struct StsState {
  std::shared_ptr<const StsPolicy> policy; // null: none, or its mode is none
  std::string id;
  std::string
      problem; // why there is no newer one, for the log and for reports: "fetching its policy: timed out"
};

// A policy with its times, as it outlives a restart.
struct StsKept {
  std::string id;
  StsPolicy policy;
  Wall expires{};

  bool operator==(const StsKept&) const = default;
};

class StsCache {
 public:
  static constexpr std::size_t most_policies = 100'000;        // of some hundred octets each
  static constexpr std::chrono::seconds between_tries{300};    // after a fetch in vain (§3.3)
  static constexpr std::chrono::seconds refresh_ahead{86'400}; // of the end; a short policy: half its life
  static constexpr std::chrono::seconds longest_check{3'600};  // that an id is taken to be the same

  void restore(const std::string& domain, const StsKept& kept, Now now);

  // The answer comes by next_answer, at once if it is known.
  void want(const std::string& domain, Now now);

  struct Action {
    enum class Kind : std::uint8_t {
      ask,   // the TXT records of sts_record_name(domain)
      fetch, // the policy file
    } kind = Kind::ask;
    std::string domain;
  };

  [[nodiscard]] std::optional<Action> next_action();

  // The records; empty: none, or nobody knows. They hold until then.
  void told(const std::string& domain, std::span<const std::string> records, Monotonic until, Now now);
  // The file's text, or why there is none.
  void fetched(const std::string& domain, const std::expected<std::string, std::string>& text, Now now);

  [[nodiscard]] std::optional<std::pair<std::string, StsState>> next_answer();
  [[nodiscard]] std::optional<std::pair<std::string, StsKept>> next_learned();

  [[nodiscard]] std::optional<Monotonic> deadline() const;
  void timeout(Now now);

  // What is known without asking anybody; for people.
  [[nodiscard]] StsState state(const std::string& domain, Monotonic now) const;

  [[nodiscard]] std::size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    std::shared_ptr<const StsPolicy> policy; // of any mode
    std::string id;
    Monotonic expires{};       // of the policy
    Monotonic checked_until{}; // the id is taken to be the present one
    Monotonic again_at{};      // a fetch that was in vain is tried again
    std::string wanted_id;     // of the fetch under way, or of the last in vain
    std::string problem;
    bool asking = false, fetching = false, waited_for = false, used = false;
    std::optional<std::multimap<Monotonic, std::string>::iterator> timer;

    [[nodiscard]] bool holds(Monotonic now) const { return policy && expires > now; }
  };

  void learn(const std::string& domain, Entry& entry, Now now);
  void answer(const std::string& domain, Entry& entry, Monotonic now);
  void set_timer(const std::string& domain, Entry& entry, Monotonic at);
  void forget_if_useless(const std::string& domain, Monotonic now);
  [[nodiscard]] static StsState state_of(const Entry& entry, Monotonic now);

  std::unordered_map<std::string, Entry> entries_;
  std::multimap<Monotonic, std::string> timers_; // refreshes, ends, tries again
  std::deque<Action> actions_;
  std::deque<std::pair<std::string, StsState>> answers_;
  std::deque<std::pair<std::string, StsKept>> learned_;
};

// The file `state/mta-sts`: a line a domain. Lines that are none are left out.
using StsKeptByDomain = std::map<std::string, StsKept>;
[[nodiscard]] std::string write_sts(const StsKeptByDomain& policies);
[[nodiscard]] StsKeptByDomain read_sts(std::string_view text);

} // namespace bulkmail::agent
