#include "tests/seeds.h"
#include "tests/simulation/run.h"

#include <catch2/catch.hpp>
#include <fmt/format.h>

using bulkmail::simulation::Report;
using bulkmail::simulation::run;
using bulkmail::test::number_from;

// BULKMAIL_SEED=n replays one seed with its log; BULKMAIL_SEEDS=n runs so many.
TEST_CASE("Days of mail with faults, kills and power cuts: nothing is lost, nothing is sent twice without an "
          "excuse") {
  const std::uint64_t only = number_from("BULKMAIL_SEED", 0);
  const std::uint64_t first = only != 0 ? only : 1,
                      last = only != 0 ? only : number_from("BULKMAIL_SEEDS", 100);
  Report sum;
  for (std::uint64_t seed = first; seed <= last; ++seed) {
    const Report report = run(seed, only != 0);
    INFO("replay with: BULKMAIL_SEED=" << seed << " test_simulation");
    CHECK(report.problem == "");
    sum.messages += report.messages;
    sum.recipients += report.recipients;
    sum.relayed += report.relayed;
    sum.failed += report.failed;
    sum.told += report.told;
    sum.duplicates += report.duplicates;
    sum.kills += report.kills;
    sum.power_cuts += report.power_cuts;
    sum.orders += report.orders;
    sum.steps += report.steps;
  }
  fmt::print("{} seeds: {} messages, {} recipients, {} relayed, {} failed ({} told of by mail), {} excused "
             "duplicates, {} kills, "
             "{} of them "
             "power cuts, {} orders by hand, {} steps\n",
             last - first + 1, sum.messages, sum.recipients, sum.relayed, sum.failed, sum.told,
             sum.duplicates, sum.kills, sum.power_cuts, sum.orders, sum.steps);
}

TEST_CASE("A seed replays to the same byte") {
  for (const std::uint64_t seed : {3U, 7U, 20U}) {
    const Report once = run(seed), again = run(seed);
    CHECK(once.trace == again.trace);
    CHECK(once.steps == again.steps);
    CHECK(once.trace != run(seed + 1).trace);
  }
}
