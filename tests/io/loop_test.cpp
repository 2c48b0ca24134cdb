#include "agent/io/loop.h"

#include <catch2/catch.hpp>

#include <thread>

using namespace bulkmail;
using namespace bulkmail::agent;

namespace {

constexpr milliseconds long_turn{60};

} // namespace

TEST_CASE("A turn of the loop lasts as long as its callbacks") {
  Loop loop;
  bool over = false;
  loop.run([] {},
           [&] {
             std::this_thread::sleep_for(long_turn);
             over = true;
           });
  loop.drive([] { return std::nullopt; }, [&] { return over; });
  CHECK(loop.latency().max_ms() >= static_cast<double>(long_turn.count()));
}

TEST_CASE("The time in which the loop waits is no turn's") {
  Loop loop;
  const Monotonic end = loop.now().mono + 2 * long_turn;
  loop.drive([&] { return end; }, [&] { return loop.now().mono >= end; });
  CHECK(loop.latency().max_ms() < static_cast<double>(long_turn.count()));
}
