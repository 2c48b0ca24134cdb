// How long a Site takes to answer the end of data, beside what it took at its best: whether it became slower by more
// than its usual noise. Averages alone are compared, as single answers vary with content and recipients.
#pragma once

#include <cstdint>

namespace bulkmail::agent {

class LatencyTrend {
 public:
  static constexpr std::uint16_t usual_memory = 64, longest_memory = 256; // answers
  static constexpr std::uint16_t few = 8;                                 // too few to say anything

  // The average is of all since the last restart, but of no more than `memory`.
  void add(float milliseconds, std::uint16_t memory = usual_memory);

  [[nodiscard]] float average() const { return average_; }

  [[nodiscard]] float base() const { return base_; } // the best average so far

  [[nodiscard]] bool calm() const; // about as fast as ever, for all that is known
  [[nodiscard]] bool high() const; // slower, beyond doubt
  // The average most likely errs by a thirtieth at most, or a better one is not to be had.
  [[nodiscard]] bool precise() const;

  void restart(); // an average of what follows alone

  void accept() { base_ = average_; } // that is how it is now

 private:
  // Differences that nobody needs to care for, if many answers an hour are so much later.
  static constexpr float slack_ms = 20;
  float average_ = 0, deviation_ = 0; // of single answers, in milliseconds
  float base_ = 0;                    // 0: none yet
  std::uint16_t samples_ = 0;
};

} // namespace bulkmail::agent
