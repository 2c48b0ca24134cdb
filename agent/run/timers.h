// One heap for every deadline of the agent, so that one timer drives it all.
//
// Deadlines of sessions move with every reply. Moving one later costs nothing: the heap's entry is looked at when it comes
// up and put back; only moving one earlier adds an entry.
#pragma once

#include "spool/time.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

namespace bulkmail::agent {

class Timers {
 public:
  // A deadline and what to do at it. Destroying it takes it back. Not movable: its address is its identity.
  class Alarm {
   public:
    Alarm(Timers& timers, std::function<void()> ring);
    ~Alarm();
    Alarm(const Alarm&) = delete;
    Alarm& operator=(const Alarm&) = delete;
    void set(std::optional<Monotonic> at); // none: off

   private:
    friend class Timers;
    Timers& timers_;
    std::function<void()> ring_;
    std::uint32_t slot_;
    std::optional<Monotonic> wanted_;
    std::optional<Monotonic> entered_; // the earliest entry in the heap
  };

  // Rings every alarm that is due; an alarm may set, make or destroy any alarm.
  void advance(Monotonic now);
  [[nodiscard]] std::optional<Monotonic>
  deadline() const; // never later than the earliest alarm, maybe earlier

 private:
  struct Entry {
    Monotonic at;
    std::uint32_t slot;
    std::uint32_t generation;
  };

  struct Slot {
    Alarm* alarm = nullptr;
    std::uint32_t generation = 0;
  };

  static bool later(const Entry& a, const Entry& b) { return a.at > b.at; }

  void enter(Alarm& alarm, Monotonic at);
  std::vector<Entry> heap_;
  std::vector<Slot> slots_;
  std::vector<std::uint32_t> free_;
};

} // namespace bulkmail::agent
