// Dice that fall the same for the same seed.
#pragma once

#include "resolver/dice.h"

#include <random>

namespace bulkmail::test {

class SeededDice final : public Dice {
 public:
  explicit SeededDice(std::uint64_t seed = 1) : engine_(seed) {}

  std::uint64_t next() override { return engine_(); }

 private:
  std::mt19937_64 engine_;
};

} // namespace bulkmail::test
