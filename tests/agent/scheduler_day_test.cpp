// A day of mail to thousands of Sites. BULKMAIL_SEED=n lives through one seed again; BULKMAIL_SEEDS=n through so many;
// BULKMAIL_DAY=n through days with n times the mail.
#include "tests/agent/day.h"
#include "tests/seeds.h"

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include <chrono>

using namespace bulkmail::agent::test;
using bulkmail::test::number_from;

TEST_CASE("A day of mail to 5,000 sites: no limit is exceeded, no site starves, and everybody gets what they "
          "deserve") {
  const std::uint64_t only = number_from("BULKMAIL_SEED", 0);
  const std::uint64_t first = only != 0 ? only : 1,
                      last = only != 0 ? only : number_from("BULKMAIL_SEEDS", 1);
  const std::uint64_t times = number_from("BULKMAIL_DAY", 1);
  for (std::uint64_t seed = first; seed <= last; ++seed) {
    DayPlan plan{.seed = seed};
    plan.singles *= times;
    plan.post_recipients *= times;
    const auto began = std::chrono::steady_clock::now();
    const DayReport report = live(plan);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
    fmt::print(
        "seed {}: {} messages, {} recipients ({} relayed, {} failed, {} expired, {} cancelled), {} sessions "
        "({} refused), {} transactions, {} steps, {} h in {:.1f} s; longest wait of a Site {} ms, of one "
        "tried in vain {} ms, at most {} "
        "sessions opened in the second of a return\n",
        seed, report.messages, report.recipients, report.relayed, report.failed, report.expired,
        report.cancelled, report.sessions, report.refused, report.transactions, report.steps,
        report.virtual_hours, took.count(), report.longest_wait_ms, report.longest_wait_again_ms,
        report.most_at_return);
    INFO("replay with: BULKMAIL_SEED=" << seed << " BULKMAIL_DAY=" << times
                                       << " test_agent \"A day of mail*\"");
    REQUIRE(report.problem == "");
  }
}
