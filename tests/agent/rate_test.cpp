#include "agent/queue/rate.h"

#include <catch2/catch.hpp>

#include <deque>
#include <random>
#include <utility>

using namespace bulkmail;
using namespace bulkmail::agent;
using namespace std::chrono_literals;

namespace {

constexpr Monotonic start = Monotonic{} + 1h;

// When the n-th goes, all going as soon as they may.
Monotonic nth(Gcra& gcra, int n) {
  Monotonic now = start;
  for (int i = 0;; ++i) {
    now = gcra.next(now);
    if (i == n) return now;
    gcra.take(1, now);
  }
}

} // namespace

TEST_CASE("A rate is evenly spaced from the first on, without a burst after a pause") {
  Gcra gcra({100, 1min});
  CHECK(gcra.next(start) == start);
  gcra.take(1, start);
  CHECK(gcra.in_debt(start));
  CHECK(gcra.next(start) == start + 600ms);
  CHECK(gcra.next(start + 10min) == start + 10min);
  CHECK_FALSE(gcra.in_debt(start + 600ms));
  gcra.take(1, start + 10min);
  CHECK(gcra.next(start + 10min) == start + 10min + 600ms);
}

TEST_CASE("Rates that do not divide are exact over days") {
  for (const Rate rate : {Rate{7, 1s}, Rate{3, 1ms}, Rate{999'999'937, 1h}, Rate{1, 24h}}) {
    Gcra gcra(rate);
    const int periods = rate.count < 10 ? 86'400 : 0;
    const int n = periods > 0 ? static_cast<int>(rate.count) * periods : 1'000'000;
    const auto expected = std::chrono::duration<double>(rate.period).count() * n / rate.count;
    const auto took = std::chrono::duration<double>(nth(gcra, n) - start).count();
    CHECK(took == Approx(expected).margin(1.5e-9).epsilon(1e-12));
    if (periods > 0) {
      Gcra again(rate);
      CHECK(nth(again, n) == start + periods * std::chrono::nanoseconds(rate.period));
    }
  }
}

TEST_CASE("No stretch of a period has more than the count, whatever goes when") {
  std::mt19937_64 random(7);
  for (int run = 0; run < 200; ++run) {
    const Rate rate{1 + static_cast<std::uint32_t>(random() % 60),
                    std::chrono::milliseconds(1 + random() % 5000)};
    Gcra gcra(rate,
              run % 2 == 0 ? 1 : Gcra::standard_chunk(rate) * static_cast<std::uint32_t>(1 + random() % 4));
    std::deque<std::pair<Monotonic, std::uint32_t>> gone;
    std::uint64_t sum = 0;
    Monotonic now = start;
    for (int i = 0; i < 2000; ++i) {
      if (random() % 3 == 0) now += std::chrono::microseconds(random() % 200'000);
      now = gcra.next(now);
      const std::uint32_t n = 1 + static_cast<std::uint32_t>(random() % gcra.chunk());
      gcra.take(n, now);
      gone.emplace_back(now, n);
      sum += n;
      while (gone.front().first <= now - rate.period) {
        sum -= gone.front().second;
        gone.pop_front();
      }
      REQUIRE(sum <= rate.count);
    }
  }
}

TEST_CASE("Recipients go in chunks of a twentieth, at nearly the whole rate") {
  const Rate rate{1000, 1h};
  CHECK(Gcra::standard_chunk(rate) == 50);
  CHECK(Gcra::standard_chunk({10, 1s}) == 1);
  Gcra gcra(rate, Gcra::standard_chunk(rate));
  CHECK(gcra.chunk() == 50);
  Monotonic now = start;
  std::uint32_t gone = 0;
  while (now < start + 24h) {
    gcra.take(50, now);
    gone += 50;
    now = gcra.next(now);
  }
  CHECK(gone > 24 * 940);
  CHECK(gone <= 24 * 1000);
}

TEST_CASE("A chunk is never more than half the count, so that nothing takes longer than the period") {
  CHECK(Gcra({1, 1s}, 100).chunk() == 1);
  CHECK(Gcra({10, 1s}, 100).chunk() == 5);
  Gcra gcra({4'000'000'000, 24h * 366}, 4'000'000'000);
  gcra.take(gcra.chunk(), start);
  CHECK(gcra.next(start) > start);
  CHECK(gcra.next(start) <= start + 24h * 366);
}

TEST_CASE("A new rate holds from now on, and nobody waits for longer than it says") {
  Gcra gcra({1, 24h});
  gcra.take(1, start);
  gcra.set_rate({100, 1min}, 1, start);
  CHECK(gcra.next(start) == start + 600ms);
  gcra.take(1, start + 600ms);
  CHECK(gcra.next(start) == start + 1200ms);
  gcra.set_rate({1, 1h}, 1, start + 600ms);
  CHECK(gcra.next(start) == start + 1200ms);
  gcra.take(1, start + 1200ms);
  CHECK(gcra.next(start) == start + 1200ms + 1h);
}
