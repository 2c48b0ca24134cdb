// Days of mail in a second: the real engine on a virtual clock, network, disk and pool, with faults drawn from one seed.
//
// Drops appear over the first hours; hosts refuse, stall, drop and greylist; DNS loses packets; the program is killed, also
// in the middle of a disk operation, and the power fails; people hold, release, cancel and flush. In the end everything must have one final outcome, and what hosts
// took must agree with it.
#pragma once

#include <cstdint>
#include <string>

namespace bulkmail::simulation {

struct Report {
  std::string problem;     // empty: all invariants held
  std::uint64_t trace = 0; // of everything that was logged and told; equal for equal seeds
  std::uint64_t messages = 0, recipients = 0, relayed = 0, failed = 0, told = 0, duplicates = 0, kills = 0,
                power_cuts = 0, orders = 0, steps = 0;
};

[[nodiscard]] Report run(std::uint64_t seed, bool print_log = false);

} // namespace bulkmail::simulation
