// When a message will be done, if all goes on as it does: what a Site takes a second, and what follows from that for
// the parts of a message that wait at several Sites.
#pragma once

#include "spool/time.h"

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace bulkmail::agent {

// Recipients a second while there is work: the last minutes count most. A pause says little of a Site that may have had
// nothing to do, so it counts for a minute at most; one that is known to have had nothing to do, not at all.
class Throughput {
 public:
  static constexpr std::chrono::seconds memory{120}; // what is so old counts a third
  static constexpr std::chrono::seconds longest_pause{60};

  void begun(Monotonic now) { last_ = now; } // after a pause without work

  void completed(std::uint32_t recipients, Monotonic now);
  [[nodiscard]] float rate(Monotonic now) const; // 0: not known yet
  [[nodiscard]] float rate() const;              // while it has nothing to do

 private:
  [[nodiscard]] float rate_over(float seconds) const;
  [[nodiscard]] float pause(Monotonic now) const; // since the last one, seconds
  float recipients_ = 0, seconds_ = 0;
  Monotonic last_{};
};

// Recipients that get done evenly from `begin` to `end`.
struct Stretch {
  Monotonic begin, end;
  std::uint64_t recipients = 0;
};

struct Forecast {
  Monotonic half, nearly_all; // 50 % and 99 % of the recipients are done
};

// None: there are no recipients.
[[nodiscard]] std::optional<Forecast> forecast(std::span<const Stretch> stretches);

// What can be said of those recipients of a message that are left.
struct Outlook {
  std::vector<Stretch> stretches;
  std::uint64_t unknown =
      0; // recipients of whom nothing can be said: held, or at a Site that has never answered

  void add(Outlook other); // of another part of the message
};

// Of a message of which so many recipients are done. Of whom nothing can be said is done when the message's time is over,
// at the latest; none: that would be most of them.
[[nodiscard]] std::optional<Forecast> forecast(Outlook outlook, std::uint64_t done, Monotonic now,
                                               Monotonic expires);

} // namespace bulkmail::agent
