#include "agent/queue/forecast.h"

#include <catch2/catch.hpp>

#include <vector>

using namespace bulkmail;
using namespace bulkmail::agent;
using namespace std::chrono_literals;

namespace {

constexpr Monotonic start = Monotonic{} + 1h;

void run(Throughput& throughput, Monotonic from, std::chrono::seconds time, double per_second) {
  for (double t = 0; t < static_cast<double>(time.count()); t += 1 / per_second)
    throughput.completed(1, from + std::chrono::nanoseconds(static_cast<std::int64_t>(t * 1e9)));
}

} // namespace

TEST_CASE("A throughput is what was done lately") {
  Throughput throughput;
  CHECK(throughput.rate(start) == 0);
  throughput.completed(100, start);
  CHECK(throughput.rate(start) == 0); // how long that took nobody knows
  run(throughput, start, 600s, 5);
  CHECK(throughput.rate(start + 600s) == Approx(5).epsilon(0.02));
  run(throughput, start + 600s, 600s, 50);
  CHECK(throughput.rate(start + 1200s) == Approx(50).epsilon(0.05));
}

TEST_CASE("A throughput outlives a pause") {
  Throughput throughput;
  run(throughput, start, 600s, 10);
  CHECK(throughput.rate(start + 600s + 24h) > 5);
  run(throughput, start + 600s + 24h, 60s, 10);
  CHECK(throughput.rate(start + 660s + 24h) > 5);
  CHECK(throughput.rate(start + 660s + 24h) < 10.5F);
}

TEST_CASE("Many in one moment are no division by nothing") {
  Throughput throughput;
  for (int i = 0; i < 100; ++i) throughput.completed(1, start);
  CHECK(throughput.rate(start) <= 100'000);
  CHECK(throughput.rate(start + 1s) == Approx(99));
}

TEST_CASE("A forecast of one stretch is its middle and nearly its end") {
  const auto made = forecast(std::vector<Stretch>{{start, start + 100s, 1000}});
  REQUIRE(made);
  CHECK(made->half - start - 50s <= 2ms);
  CHECK(made->nearly_all - start - 99s <= 2ms);
}

TEST_CASE("A forecast merges what goes on side by side and what comes later") {
  const auto made = forecast(std::vector<Stretch>{
      {start, start + 100s, 600}, {start, start + 50s, 300}, {start + 1000s, start + 1000s, 100}});
  REQUIRE(made);
  // 12 a second until 50 s.
  CHECK(made->half > start + 41s);
  CHECK(made->half < start + 42s);
  CHECK(made->nearly_all >= start + 1000s);
  CHECK(made->nearly_all <= start + 1000s + 1ms);
}

TEST_CASE("There is no forecast of nothing") {
  CHECK_FALSE(forecast({}));
  CHECK_FALSE(forecast(std::vector<Stretch>{{start, start + 1s, 0}}));
}
