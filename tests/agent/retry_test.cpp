#include "agent/queue/retry.h"
#include "tests/agent/scheduler_fixture.h"

#include <catch2/catch.hpp>

using namespace bulkmail;
using namespace bulkmail::agent;
using namespace std::chrono_literals;

TEST_CASE("A retry is lengthened by up to a quarter, spread over all of it, and never shortened") {
  const RetrySchedule schedule({5min, 10min, 4h});
  bulkmail::test::SeededDice dice(7);
  milliseconds least = 1h, most = 0ms;
  for (int i = 0; i < 2000; ++i) {
    const auto delay = schedule.delay(1, dice);
    least = std::min(least, delay);
    most = std::max(most, delay);
  }
  CHECK(least >= 5min);
  CHECK(least < 5min + 2s);
  CHECK(most <= 5min + 75s);
  CHECK(most > 5min + 73s);
}

TEST_CASE("The last step of a retry schedule repeats") {
  const RetrySchedule schedule({5min, 10min, 4h});
  bulkmail::test::SeededDice dice(7);
  for (const std::uint32_t attempts : {3U, 4U, 1000U}) {
    const auto delay = schedule.delay(attempts, dice);
    CHECK(delay >= 4h);
    CHECK(delay <= 5h);
  }
  const auto second = schedule.delay(2, dice);
  CHECK(second >= 10min);
  CHECK(second <= 12min + 30s);
}

TEST_CASE("The longest delay of a schedule has its lengthening in it") {
  CHECK(RetrySchedule({5min, 4h, 1h}).longest() == 5h);
}
