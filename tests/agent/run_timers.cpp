#include "agent/run/timers.h"

#include <catch2/catch.hpp>
#include <memory>
#include <vector>

using namespace bulkmail;
using namespace bulkmail::agent;
using namespace std::chrono_literals;

namespace {

const Monotonic start = Monotonic(1h);

}

TEST_CASE("An alarm rings once at its time, not before") {
  Timers timers;
  int rung = 0;
  Timers::Alarm alarm(timers, [&] { ++rung; });
  alarm.set(start + 10ms);
  timers.advance(start + 9ms);
  CHECK(rung == 0);
  timers.advance(start + 10ms);
  timers.advance(start + 1h);
  CHECK(rung == 1);
}

TEST_CASE("Moving an alarm later or earlier, or taking it back, holds") {
  Timers timers;
  std::vector<char> rung;
  Timers::Alarm later(timers, [&] { rung.push_back('l'); });
  Timers::Alarm earlier(timers, [&] { rung.push_back('e'); });
  Timers::Alarm off(timers, [&] { rung.push_back('o'); });
  later.set(start + 1s);
  later.set(start + 3s);
  earlier.set(start + 5s);
  earlier.set(start + 2s);
  off.set(start + 1s);
  off.set(std::nullopt);
  timers.advance(start + 2s);
  CHECK(rung == std::vector{'e'});
  timers.advance(start + 10s);
  CHECK(rung == std::vector{'e', 'l'});
}

TEST_CASE("A destroyed alarm never rings, and its place serves another") {
  Timers timers;
  int rung = 0;
  {
    Timers::Alarm gone(timers, [&] { rung += 100; });
    gone.set(start);
  }
  Timers::Alarm other(timers, [&] { ++rung; });
  other.set(start + 1s);
  timers.advance(start);
  CHECK(rung == 0);
  timers.advance(start + 1s);
  CHECK(rung == 1);
}

TEST_CASE("An alarm may destroy itself and others while it rings") {
  Timers timers;
  int rung = 0;
  std::unique_ptr<Timers::Alarm> self, victim;
  victim = std::make_unique<Timers::Alarm>(timers, [&] { rung += 100; });
  self = std::make_unique<Timers::Alarm>(timers, [&] {
    ++rung;
    victim.reset();
    self.reset();
  });
  self->set(start);
  victim->set(start + 1ms);
  timers.advance(start + 1s);
  CHECK(rung == 1);
}

TEST_CASE("The deadline is never later than the earliest alarm") {
  Timers timers;
  CHECK_FALSE(timers.deadline());
  Timers::Alarm a(timers, [] {}), b(timers, [] {});
  a.set(start + 5s);
  b.set(start + 3s);
  CHECK(timers.deadline() == start + 3s);
  timers.advance(start + 3s);
  CHECK(timers.deadline() == start + 5s);
}
