#include "agent/queue/warmup.h"

#include <catch2/catch.hpp>

using namespace bulkmail;
using namespace bulkmail::agent;
using namespace std::chrono_literals;

namespace {

constexpr Now start{Monotonic{} + 1h, Wall{} + 500'000h};
const std::vector<Rate> steps{{50, 24h}, {100, 24h}, {2000, 24h}};

Now after(std::chrono::milliseconds time) { return {start.mono + time, start.wall + time}; }

// How many go in a time, each as soon as it may.
int sent(Warmup& warmup, Monotonic from, Monotonic to) {
  int count = 0;
  for (Monotonic now = warmup.next(from); now < to; now = warmup.next(now)) {
    const auto n = std::min(warmup.chunk(now), 1000U);
    if (n == 1000) return -1; // without a limit
    warmup.take(n, now);
    count += static_cast<int>(n);
  }
  return count;
}

} // namespace

TEST_CASE("A new address has a rate a day, and is free after the last") {
  Warmup warmup(steps, {}, start);
  const auto day = [&](int n) { return start.mono + n * 24h; };
  CHECK(sent(warmup, day(0), day(1)) >= 46);
  CHECK(sent(warmup, day(1), day(2)) >= 94);
  const int third = sent(warmup, day(2), day(3));
  CHECK(third >= 1880);
  CHECK(third <= 2000);
  CHECK(warmup.over(day(3)));
  CHECK(warmup.chunk(day(3)) == Warmup::unlimited);
  CHECK(warmup.next(day(3)) == day(3));
}

TEST_CASE("No day of a warm-up has more than its count, and they are evenly spaced") {
  Warmup warmup(std::vector<Rate>{{10, 24h}, {20, 24h}}, {}, start);
  CHECK(sent(warmup, start.mono, start.mono + 24h) == 10);
  CHECK(sent(warmup, start.mono + 24h, start.mono + 36h) == 10);
}

TEST_CASE("The days begin with the first recipient") {
  Warmup warmup(steps, {}, start);
  CHECK_FALSE(warmup.over(start.mono + 1000h));
  warmup.take(1, start.mono + 1000h);
  CHECK_FALSE(warmup.over(start.mono + 1000h + 71h));
  CHECK(warmup.over(start.mono + 1000h + 72h));
}

TEST_CASE("Without steps there is no limit") {
  Warmup warmup({}, {}, start);
  CHECK(warmup.over(start.mono));
  warmup.take(1000, start.mono);
  CHECK(warmup.next(start.mono) == start.mono);
}

TEST_CASE("A warm-up goes on after a restart where it stood") {
  Warmup warmup(steps, {}, start);
  warmup.take(2, start.mono);
  const auto wait = warmup.next(start.mono) - start.mono;
  WarmupState state = warmup.state(after(1min));
  CHECK(state.elapsed == 1min);
  // At once: what may go next is not forgotten.
  Warmup again(steps, state, after(1min));
  CHECK(again.next(after(1min).mono) - start.mono == std::chrono::ceil<std::chrono::milliseconds>(wait));
  // After some hours.
  Warmup later(steps, state, after(6h));
  CHECK(later.next(after(6h).mono) == after(6h).mono);
  later.take(1, after(6h).mono);
  CHECK(later.state(after(6h)).step == 0);
  CHECK(later.state(after(24h)).step == 1);
}

TEST_CASE("What is owed and not known is taken for the most that it can be, however long ago that was") {
  for (const auto away : {0h, 10h, 1000h}) {
    WarmupState state = Warmup(steps, {}, start).state(start);
    CHECK(state.wait == 0ms);
    state.wait.reset();
    Warmup again(steps, state, after(away));
    const auto longest = std::chrono::nanoseconds(24h) * 2 / 49; // two of fifty, as they go together
    CHECK(again.next(after(away).mono) == after(away).mono + longest);
    CHECK(again.next(after(away).mono + longest) == after(away).mono + longest);
  }
}

TEST_CASE("An address has begun for all once it has for one, and is as far as the furthest") {
  Warmup one(steps, {}, start), other(steps, {}, start);
  one.take(2, after(1h).mono);
  WarmupStates all{{resolver::IpAddress{}, other.state(after(2h))}};
  merge(all, {{resolver::IpAddress{}, one.state(after(2h))}});
  const WarmupState merged = all.begin()->second;
  CHECK(merged == one.state(after(2h)));
  other.resume(merged, after(2h));
  CHECK(other.state(after(2h)).elapsed == 1h);
  other.take(1, after(2h).mono);
  other.resume({}, after(3h)); // it has begun here
  CHECK(other.state(after(3h)).elapsed == 2h);
  WarmupState unknown = merged;
  unknown.wait.reset();
  merge(all, {{resolver::IpAddress{}, unknown}});
  CHECK_FALSE(all.begin()->second.wait);
}

TEST_CASE("A clock that jumped ends the present day at most, and never takes one back") {
  Warmup warmup(steps, {}, start);
  warmup.take(1, start.mono);
  const WarmupState state = warmup.state(after(12h));
  const Now future{start.mono, start.wall + 10'000h};
  Warmup forward(steps, state, future);
  CHECK(forward.state(future).step == 1);
  CHECK(forward.state(future).elapsed == 0ms);
  const Now past{start.mono, start.wall - 10'000h};
  Warmup backward(steps, state, past);
  CHECK(backward.state(past).step == 0);
  CHECK(backward.state(past).elapsed == 12h);
  // While it runs the wall clock is not asked.
  CHECK(warmup.state({start.mono + 13h, start.wall + 90'000h}).elapsed == 13h);
}

TEST_CASE("Other steps hold from now on") {
  Warmup warmup(steps, {}, start);
  warmup.take(2, start.mono);
  warmup.set_steps(std::vector<Rate>{{24, 24h}, {48, 24h}}, start.mono + 1h);
  warmup.take(1, start.mono + 1h);
  CHECK(warmup.next(start.mono + 1h) == start.mono + 2h);
  warmup.set_steps({}, start.mono + 1h);
  CHECK(warmup.over(start.mono + 1h));
}

TEST_CASE("States of addresses read as they were written, and what is no line is left out") {
  WarmupStates states;
  states[resolver::IpAddress::parse("192.0.2.1").value()] = {1, true, 5h, 17min, start.wall};
  states[resolver::IpAddress::parse("2001:db8::1").value()] = {3, true, {}, 0ms, start.wall};
  const std::string text = write_warmup(states);
  CHECK(read_warmup(text) == states);
  CHECK(read_warmup(text + "nonsense\n192.0.2.2 1 1\n192.0.2.3 1 1 -1 0 0\n192.0.2.4 1 1 1 1 1 1\n\n") ==
        states);
  for (std::size_t cut = 0; cut < text.size(); ++cut) CHECK(read_warmup(text.substr(0, cut)).size() <= 2);
}

TEST_CASE("A state from nowhere does no harm") {
  for (const WarmupState& state : {WarmupState{4'000'000'000, true, 1h, 1h, start.wall},
                                   WarmupState{0, true, 1'000'000h, 1'000'000h, Wall{}},
                                   WarmupState{1, false, 1h, 1'000'000h, Wall{}}}) {
    Warmup warmup(steps, state, start);
    CHECK(warmup.next(start.mono) <= start.mono + 24h);
    warmup.take(1, start.mono + 24h);
    CHECK(warmup.over(start.mono + 96h));
  }
}
