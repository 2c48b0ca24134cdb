// The warming of a new source address: receivers distrust one that sends much at once, so its first days have a rate
// each, `smtp.warmup = ["50/1d", "100/1d"]`, counted in recipients; behind the last step it is free. The steps begin
// with the first recipient. Where an address stands must outlive a restart: state() is plain data with a text form.
//
//   if (warmup.next(now) > now) wait until then
//   n = std::min(wanted, warmup.chunk()); warmup.take(n, now)
#pragma once

#include "agent/queue/rate.h"
#include "resolver/address.h"
#include "spool/time.h"

#include <chrono>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bulkmail::agent {

struct WarmupState {
  std::uint32_t step = 0;  // the present one; as many as there are: warm
  bool begun = false;      // something went from this address
  milliseconds elapsed{0}; // of the step
  // Until the next may go. None: not known, as after a crash; as long as the most that goes at once makes it.
  std::optional<milliseconds> wait{milliseconds{0}};
  Wall saved{}; // when this was so

  bool operator==(const WarmupState&) const = default;
};

class Warmup {
 public:
  static constexpr std::uint32_t unlimited = std::numeric_limits<std::uint32_t>::max();
  // Two of the longest periods: what is taken for a wait that isn't known, whatever time has passed since.
  static constexpr milliseconds longest_wait{std::chrono::hours{2 * 366 * 24}};

  Warmup(std::span<const Rate> steps, const WarmupState& state, Now now);

  // From where it stood, unless it has begun since. What time passed since then only the wall clock knows, which may have
  // jumped: it counts up to the end of the present step and no further.
  void resume(const WarmupState& state, Now now);

  [[nodiscard]] bool over(Monotonic now);
  [[nodiscard]] std::uint32_t chunk(Monotonic now); // the most that one take() may be
  [[nodiscard]] Monotonic next(Monotonic now);      // when it may be; `now`: at once
  void take(std::uint32_t n, Monotonic now);

  [[nodiscard]] WarmupState state(Now now);
  void set_steps(std::span<const Rate> steps, Monotonic now); // it goes on in the step that has its number

 private:
  void advance(Monotonic now);

  [[nodiscard]] Monotonic end() const { return began_ + steps_[step_].period; }

  void enter(std::uint32_t step, Monotonic began, Monotonic now);

  std::vector<Rate> steps_;
  std::uint32_t step_ = 0;
  bool begun_ = false;
  Monotonic began_; // the present step
  Gcra gcra_{Rate{}};
};

using WarmupStates = std::map<resolver::IpAddress, WarmupState>;
// Of one address, known to several: the furthest holds, and the longest wait.
void merge(WarmupStates& into, const WarmupStates& other);

// As text, a line an address. Lines that are none are left out.
[[nodiscard]] std::string write_warmup(const WarmupStates& states);
[[nodiscard]] WarmupStates read_warmup(std::string_view text);

} // namespace bulkmail::agent
