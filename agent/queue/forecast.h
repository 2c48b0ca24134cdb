// When a message will be done, if all goes on as it does: what a Site takes a second, and what follows from that for
// the parts of a message that wait at several Sites.
#pragma once

#include "spool/time.h"

#include <cstdint>
#include <optional>
#include <span>

namespace bulkmail::agent {

// Recipients a second while there is work: the last minutes count most. A pause says little of a Site that had nothing
// to do, so it counts for a minute at most.
class Throughput {
 public:
  static constexpr std::chrono::seconds memory{120}; // what is so old counts a third
  static constexpr std::chrono::seconds longest_pause{60};

  void completed(std::uint32_t recipients, Monotonic now);
  [[nodiscard]] float rate(Monotonic now) const; // 0: not known yet

 private:
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

} // namespace bulkmail::agent
