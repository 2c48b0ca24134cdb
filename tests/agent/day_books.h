// The books of a virtual day, kept beside the scheduler's and never from it: where each recipient is, and what each Site
// was given. Whatever contradicts them is thrown as Broken, at the step at which it happens.
#pragma once

#include "agent/queue/scheduler.h"
#include "tests/agent/day_sites.h"

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace bulkmail::agent::test {

struct Broken : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Each recipient is waiting, in an attempt, or settled in one way.
struct Addressee {
  enum class State : std::uint8_t {
    waiting,
    attempt,
    relayed,
    failed,
    expired,
    cancelled
  } state = State::waiting;
  std::uint16_t tries = 0;
  std::uint32_t domain = 0;
  Monotonic since{};      // waiting
  Monotonic due{};        // not to be tried before
  Monotonic overdue{};    // to be tried from then on; later than `due` if its Site may answer earlier
  Monotonic first_seen{}; // by a host that greylists
};

struct Letter {
  std::vector<Addressee> addressees;
  std::vector<std::uint32_t> live; // not settled when last looked at
  std::size_t left = 0;
  Monotonic expires{};
  Monotonic released{}; // from a hold
  bool held = false, cancelled = false, was_held = false;
};

class RecipientBooks {
 public:
  std::vector<Letter> letters; // message `number` is at number - 1
  std::uint64_t added = 0, settled = 0, in_attempt = 0;

  [[nodiscard]] Letter& of(std::uint64_t message) { return letters.at(message - 1); }

  Letter& add(std::vector<std::uint32_t> domains, Monotonic expires, Monotonic now);
  void taken(const Work& work, const std::vector<DayDomain>& domains, Monotonic now);
  void put_back(Addressee& addressee, Monotonic due, Monotonic overdue, Monotonic now);
  void settle(Letter& letter, Addressee& addressee, Addressee::State how);

  void flushed_all(Monotonic now) { flushed_ = now; }

  void flushed(std::uint32_t domain, Monotonic now);
  void hold_domain(std::uint32_t domain, bool held, Monotonic now);

  // From when on a waiting recipient may be tried, or is to be, as far as people and its own times go. None: it is held.
  [[nodiscard]] std::optional<Monotonic> due(const Letter& letter, const Addressee& addressee) const {
    return from(letter, addressee, addressee.due);
  }

  [[nodiscard]] std::optional<Monotonic> overdue(const Letter& letter, const Addressee& addressee) const {
    return from(letter, addressee, addressee.overdue);
  }

  [[nodiscard]] bool ever_held(std::uint32_t number) const { return domain(number).released != Monotonic{}; }

 private:
  struct OfDomain {
    Monotonic flushed{}, released{};
    bool held = false;
  };

  [[nodiscard]] std::optional<Monotonic> from(const Letter& letter, const Addressee& addressee,
                                              Monotonic time) const;
  [[nodiscard]] const OfDomain& domain(std::uint32_t number) const;
  OfDomain& domain(std::uint32_t number);

  Monotonic flushed_{};
  std::vector<OfDomain> domains_;
};

// The sessions and the transactions that Sites and domains with rates were given.
class LimitBooks {
 public:
  struct Sessions {
    std::uint32_t opening = 0, busy = 0, idle = 0, closing = 0;

    [[nodiscard]] std::uint32_t all() const { return opening + busy + idle + closing; }
  };

  struct OfSite {
    Sessions sessions;
    Monotonic retry{};      // when it is tried next, as the scheduler said when it was down
    Monotonic idle_since{}; // no attempt is under way
    // Since it was last known to be down.
    bool was_down = false;
    std::uint32_t opens = 0, ends = 0, answers = 0;
    Monotonic first_answer{};
  };

  std::vector<OfSite> sites;
  Sessions total;

  LimitBooks(std::size_t sites_count, std::size_t domains, const SchedulerConfig& config)
      : sites(sites_count),
        config_(config),
        site_sent_(sites_count),
        domain_sent_(domains) {}

  void opened(std::uint32_t site, const DaySite& what, Monotonic now);
  void answered(std::uint32_t site, Monotonic now);
  void down(std::uint32_t site, Monotonic retry);
  void sent(std::uint32_t site, const DaySite& what, std::uint32_t domain, bool paced, std::size_t recipients,
            Monotonic now);

  void sent_from(const resolver::IpAddress& source, std::size_t recipients, Monotonic now);

  std::uint32_t most_at_return = 0; // sessions opened in the second of a Site's return

 private:
  // What went in the last period of a rate.
  class Sent {
   public:
    // Whether it is still within the rate: in no half-open stretch of its period more.
    [[nodiscard]] bool add(const Rate& rate, std::size_t count, Monotonic now);

   private:
    std::deque<std::pair<Monotonic, std::size_t>> recent_;
    std::size_t sum_ = 0;
  };

  const SchedulerConfig& config_;
  std::vector<Sent> site_sent_, domain_sent_;
  std::map<resolver::IpAddress, Sent> source_sent_;
};

} // namespace bulkmail::agent::test
