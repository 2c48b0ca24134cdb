// How long a Site takes to answer the end of data, beside what it took at its best: whether it became slower by more
// than its usual noise. Averages alone are compared, as single answers vary with content and recipients.
#pragma once

#include <cstdint>

namespace bulkmail::agent {

class LatencyTrend {
 public:
  void add(float milliseconds);

  [[nodiscard]] float average() const { return average_; }

  [[nodiscard]] float base() const { return base_; } // the best average so far

  [[nodiscard]] std::uint16_t samples() const {
    return samples_;
  } // in the average; the count ends at `memory`

  [[nodiscard]] bool calm() const; // about as fast as ever, for all that is known
  [[nodiscard]] bool high() const; // slower, beyond doubt

  void restart(); // an average of what follows alone

  void accept() { base_ = average_; } // that is how it is now

  static constexpr std::uint16_t memory = 64; // answers
  static constexpr std::uint16_t few = 8;     // too few to say anything

 private:
  // Differences that nobody needs to care for, if many answers an hour are so much later.
  static constexpr float slack_ms = 20;
  float average_ = 0, deviation_ = 0; // of single answers, in milliseconds
  float base_ = 0;                    // 0: none yet
  std::uint16_t samples_ = 0;
};

} // namespace bulkmail::agent
