#include "agent/queue/window.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace bulkmail::agent {
namespace {

std::uint16_t bounded(std::uint32_t number, std::uint32_t most) {
  return static_cast<std::uint16_t>(std::clamp(number, 1U, std::max(most, 1U)));
}

} // namespace

Window::Window(std::uint32_t limit) : limit_(bounded(limit, std::numeric_limits<std::uint16_t>::max())) {}

void Window::established(std::uint32_t sessions, Monotonic now) {
  proven_ = true;
  if (sign_ == Sign::refusal) ++proofs_;
  trust_ = std::min<std::uint16_t>(trust_ + 1, most_trust);
  if (sessions < size_) return;
  shown_ = true;
  if (doubtful_ && probing()) lift_to(old_ceiling_, now);
}

void Window::completed(std::optional<std::chrono::nanoseconds> end_of_data, std::uint32_t live,
                       Monotonic now) {
  if (since_ == Monotonic{}) since_ = now;
  if (end_of_data)
    trend_.add(std::chrono::duration<float, std::milli>(*end_of_data).count(),
               trial_ == Trial::none ? LatencyTrend::usual_memory : LatencyTrend::longest_memory);
  if (settling_ > 0) --settling_;
  if (sign_ != Sign::refusal) ++proofs_;
  if (trial_ != Trial::none) return advance_trial(now);
  if (live < size_) return; // it has room as it is
  if (!trend_.calm()) {
    if (size_ > 1 && proofs_fill(trend_.high() ? shortest_gap : gap_, now)) {
      trial_ = Trial::before;
      lowered_ = false;
      trend_.restart();
    }
  } else if (ceiling_ != 0 && size_ >= ceiling_) {
    at_ceiling(now);
  } else if (!cautious_ || ceiling_ != 0 || ++credit_ >= size_ + LatencyTrend::few) {
    grow();
  }
}

void Window::pushed_back(Monotonic now) {
  if (settling_ > 0 && --settling_ > 0) return;
  if (probing() || proofs_fill(gap_ / 2U, now)) confirm(); // else it goes on from the last one
  close_to(size_ - std::max(size_ / 4U, 1U), Sign::slowness, now);
  settling_ = size_;
}

void Window::refused(std::uint32_t live, Monotonic now) {
  if (doubtful_ && !probing()) {
    // One of a row.
  } else if (!doubtful_ && trust_ >= sessions_a_stray && (shown_ || !probing())) {
    trust_ -= sessions_a_stray;
    doubtful_ = true;
    old_ceiling_ = ceiling_;
  } else {
    confirm();
    doubtful_ = false;
  }
  close_to(live, Sign::refusal, now);
}

void Window::outage() {
  size_ = 1;
  proven_ = cautious_ = false;
  trial_ = Trial::none;
  settling_ = credit_ = 0;
  gap_ = std::max<std::uint16_t>(gap_ / 4, shortest_gap); // it may come back as another
  trend_.restart();
}

void Window::set_limit(std::uint32_t limit) {
  limit_ = bounded(limit, std::numeric_limits<std::uint16_t>::max());
  size_ = std::min(size_, limit_);
}

void Window::close_to(std::uint32_t level, Sign sign, Monotonic now) {
  size_ = ceiling_ = bounded(level, size_);
  sign_ = sign;
  if (sign != Sign::refusal) doubtful_ = false;
  cautious_ = true;
  shown_ = false;
  trial_ = Trial::none;
  settling_ = credit_ = 0;
  restart_proofs(now);
}

void Window::confirm() { gap_ = std::min<std::uint16_t>(gap_ * 4, longest_gap); }

void Window::lift_to(std::uint16_t ceiling, Monotonic now) {
  ceiling_ = ceiling;
  doubtful_ = false;
  if (ceiling_ == 0) sign_ = Sign::none;
  restart_proofs(now);
}

void Window::grow() {
  credit_ = 0;
  if (size_ == limit_) return;
  ++size_;
  shown_ = false;
  if (cautious_) trend_.restart(); // what came before says nothing of this size
}

// What is known holds: by now one more may be tried, or if that is what holds, ever more.
void Window::at_ceiling(Monotonic now) {
  if (!probing()) {
    if (!proofs_fill(doubtful_ ? doubtful_gap : gap_, now)) return;
    grow();
    restart_proofs(now);
  } else if ((shown_ || sign_ != Sign::refusal) &&
             proofs_fill(std::max<std::uint32_t>(gap_ / 16U, shortest_gap), now)) {
    gap_ = std::max<std::uint16_t>(gap_ / 2, shortest_gap);
    lift_to(0, now);
  }
}

void Window::advance_trial(Monotonic now) {
  if (settling_ > 0) return;
  if (trial_ == Trial::closing) {
    trial_ = Trial::after;
    return trend_.restart();
  }
  if (!trend_.precise()) return;
  if (trial_ == Trial::after) {
    constexpr float as_much = 0.9F; // of what went a second, noise allowed for
    const float before = static_cast<float>(trial_from_) / trial_average_;
    if (static_cast<float>(size_) / trend_.average() < as_much * before) {
      size_ = std::min(trial_from_, limit_);
      return end_trial(now);
    }
    lowered_ = true;
  }
  if (size_ == 1) return end_trial(now);
  close_for_trial();
}

void Window::close_for_trial() {
  trial_from_ = size_;
  trial_average_ = trend_.average();
  const float capacity = std::ceil(static_cast<float>(size_) * trend_.base() / trial_average_);
  const std::uint32_t step = size_ - std::max(size_ / 4U, 1U);
  size_ = bounded(static_cast<std::uint32_t>(capacity), step);
  settling_ = trial_from_;
  trial_ = Trial::closing;
}

void Window::end_trial(Monotonic now) {
  trend_.accept(); // measured with the fewest sessions, and just now
  trend_.restart();
  confirm();
  trial_ = Trial::none;
  if (lowered_) return close_to(size_, Sign::slowness, now);
  restart_proofs(now);
}

void Window::restart_proofs(Monotonic now) {
  proofs_ = 0;
  since_ = now;
}

bool Window::proofs_fill(std::uint32_t gap, Monotonic now) const {
  return proofs_ >= gap * (sign_ == Sign::refusal ? 1 : transactions_a_session) ||
         now - since_ >= gap * gap_unit;
}

} // namespace bulkmail::agent
