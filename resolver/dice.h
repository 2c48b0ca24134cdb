// Randomness as a seam: a simulation passes a seeded one.
#pragma once

#include <cstdint>

namespace bulkmail {

class Dice {
 public:
  virtual ~Dice() = default;
  virtual std::uint64_t next() = 0; // 64 random bits

  // 0 <= result < bound; bound > 0.
  std::uint64_t below(std::uint64_t bound) { return next() % bound; }

  double fraction() { return static_cast<double>(next() >> 11) * 0x1.0p-53; } // [0, 1)
};

} // namespace bulkmail
