// The window of a Site, call by call and over hours of a virtual host's life.
#include "agent/queue/window.h"
#include "tests/agent/virtual_host.h"

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include <optional>

using namespace bulkmail;
using namespace bulkmail::agent;
using namespace std::chrono_literals;

namespace {

constexpr Monotonic start = Monotonic{} + 1h;

// Transactions answered while all sessions are in use.
void complete(Window& window, int transactions, Monotonic now = start) {
  for (int i = 0; i < transactions; ++i) window.completed(std::nullopt, window.size(), now);
}

Window grown_to(std::uint32_t size) {
  Window window(size);
  window.established(1, start);
  complete(window, static_cast<int>(size));
  REQUIRE(window.size() == size);
  return window;
}

// As a host that refuses one more than it takes now: the refusal is no stray one.
void refuse_beyond(Window& window, std::uint32_t sessions, Monotonic now = start) {
  window.refused(sessions, now);
  for (int i = 0; i < 8 && window.size() == sessions; ++i) {
    window.established(sessions, now);
    complete(window, 1, now);
  }
  window.refused(sessions, now);
}

} // namespace

TEST_CASE("A window opens by one for each completed transaction, up to the limit") {
  Window window(4);
  CHECK(window.size() == 1);
  CHECK_FALSE(window.proven());
  window.established(1, start);
  CHECK(window.proven());
  CHECK(window.size() == 1);
  complete(window, 10);
  CHECK(window.size() == 4);
}

TEST_CASE("A window does not open while it has room as it is") {
  Window window(20);
  window.established(1, start);
  complete(window, 3);
  REQUIRE(window.size() == 4);
  for (int i = 0; i < 100; ++i) window.completed(std::nullopt, 3, start);
  CHECK(window.size() == 4);
}

TEST_CASE("A refusal closes the window to what lives, for long if it was no stray one") {
  Window window = grown_to(20);
  window.refused(5, start);
  CHECK(window.size() == 5);
  refuse_beyond(window, 5);
  CHECK(window.size() == 5);
  for (int i = 0; i < 16; ++i) window.established(5, start);
  complete(window, 1000);
  CHECK(window.size() == 5);
}

TEST_CASE(
    "One session more is tried after a time, however few sessions there are, and ever more if it holds") {
  Window window = grown_to(20);
  refuse_beyond(window, 5);
  complete(window, 1, start + 1min);
  CHECK(window.size() == 5);
  complete(window, 1, start + 5min);
  CHECK(window.size() == 6);
  complete(window, 1, start + 10min);
  CHECK(window.size() == 6); // nobody has seen six
  window.established(6, start + 10min);
  complete(window, 1, start + 15min);
  complete(window, 1000, start + 15min);
  CHECK(window.size() == 20);
}

TEST_CASE("A stray refusal is forgotten as soon as there are as many sessions again") {
  Window window = grown_to(20);
  window.refused(19, start);
  CHECK(window.size() == 19);
  for (int i = 0; i < 4; ++i) window.established(19, start);
  complete(window, 1);
  CHECK(window.size() == 20);
  window.established(20, start);
  window.set_limit(30);
  complete(window, 1000);
  CHECK(window.size() == 30);
}

TEST_CASE("A push-back closes the window by a quarter, once for each round of answers") {
  Window window = grown_to(20);
  window.pushed_back(start);
  CHECK(window.size() == 15);
  for (int i = 0; i < 14; ++i) window.pushed_back(start);
  CHECK(window.size() == 15);
  window.pushed_back(start);
  CHECK(window.size() == 12);
  for (int i = 0; i < 1000; ++i) window.pushed_back(start);
  CHECK(window.size() == 1);
  complete(window, 10'000);
  CHECK(window.size() == 20);
}

TEST_CASE("A window never closes entirely, nor opens by a refusal") {
  Window window(20);
  window.refused(0, start);
  CHECK(window.size() == 1);
  window.refused(9, start);
  CHECK(window.size() == 1);
  window.pushed_back(start);
  CHECK(window.size() == 1);
}

TEST_CASE("After an outage a site starts with one session, quickly growing to what it is known to take") {
  Window window = grown_to(20);
  refuse_beyond(window, 5);
  window.outage();
  CHECK(window.size() == 1);
  CHECK_FALSE(window.proven());
  window.established(1, start);
  complete(window, 4);
  CHECK(window.size() == 5);
  complete(window, 4);
  CHECK(window.size() == 5);
}

TEST_CASE("A lower limit holds at once, a higher one is grown into") {
  Window window = grown_to(20);
  window.set_limit(3);
  CHECK(window.size() == 3);
  window.set_limit(5);
  CHECK(window.size() == 3);
  complete(window, 1);
  CHECK(window.size() == 4);
  window.set_limit(0);
  CHECK(window.size() == 1);
}

TEST_CASE("A host that takes five sessions refuses less than one in twenty, however long they are") {
  // With twenty allowed. A window that grows by one a round of answers has 23 % refused where each session carries one
  // message, 66 % at ten and 95 % at a hundred.
  for (const double messages : {1.0, 10.0, 100.0, 1000.0}) {
    for (const auto linger :
         {0ms, 20ms}) { // the host frees its place at once, or after a new session has come
      Window window(20);
      VirtualHost<Window> host(window, {.limit = 5, .messages = messages, .linger = linger}, 1);
      host.run(10min);
      host.forget_counts();
      host.run(1h);
      WARN(fmt::format(
          "{} messages a session, places freed after {} ms: {:.2f} % of {} sessions refused, {:.1f} held",
          messages, linger.count(), 100 * host.refused_share(), host.opened, host.mean_sessions()));
      CHECK(host.refused_share() < 0.05);
      CHECK(host.mean_sessions() < 5.1);
      // Who opens the next one before the last has gone has a place less.
      CHECK(host.mean_sessions() > (linger == 0ms ? 4.9 : 2.5));
    }
  }
}

TEST_CASE("A host's limit is followed, down at once and up in minutes") {
  Window window(20);
  VirtualHost<Window> host(window, {.limit = 5}, 1);
  host.run(10min);
  host.habits.limit = 2;
  host.forget_counts();
  host.run(1min);
  CHECK(host.refused < 10);
  CHECK(window.size() <= 3);
  host.habits.limit = 5;
  host.run(10min);
  CHECK(window.size() >= 5);
  host.habits.limit = 1000;
  host.run(10min);
  CHECK(window.size() == 20);
}

TEST_CASE("A host that now and then refuses one for no reason keeps its sessions") {
  Window window(20);
  VirtualHost<Window> host(window, {.stray = 0.01}, 1);
  host.run(1h);
  CHECK(host.mean_sessions() > 18);
}

TEST_CASE("A host that pushes back above ten sessions is left in peace nearly always") {
  Window window(20);
  VirtualHost<Window> host(window, {.patience = 10}, 1);
  host.run(10min);
  host.forget_counts();
  host.run(1h);
  const double share =
      static_cast<double>(host.pushed_back) / static_cast<double>(host.pushed_back + host.answered);
  CHECK(share < 0.02);
  CHECK(host.mean_sessions() > 8);
}

TEST_CASE(
    "A host whose latency grows with sessions above its capacity ends near it, at the same throughput") {
  for (const double noise : {0.05, 0.25, 0.5, 1.0}) {
    for (const auto latency : {50ms, 300ms}) {
      Window window(20);
      VirtualHost<Window> host(window, {.capacity = 8, .latency = latency, .noise = noise}, 1);
      host.run(10min);
      host.forget_counts();
      host.run(1h);
      WARN(fmt::format("capacity 8, {} ms, noise {:.0f} %: {:.1f} sessions, {:.1f} a second", latency.count(),
                       100 * noise, host.mean_sessions(), host.per_second()));
      CHECK(host.mean_sessions() > 7);
      CHECK(host.mean_sessions() < (noise < 1 ? 10 : 12.5));
    }
  }
}

TEST_CASE("A host that is slow or becomes slower for reasons of its own keeps its sessions") {
  for (const double noise : {0.25, 0.5, 1.0}) {
    Window window(20);
    VirtualHost<Window> host(window, {.latency = 100ms, .noise = noise}, 1);
    host.run(1h);
    CHECK(host.mean_sessions() > 19);
    host.habits.latency = 400ms;
    host.run(10min);
    host.forget_counts();
    host.run(1h);
    CHECK(host.mean_sessions() > 19);
  }
}
