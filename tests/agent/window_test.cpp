#include "agent/queue/window.h"

#include <catch2/catch.hpp>

using bulkmail::agent::Window;

TEST_CASE("A window opens by one for each completed transaction, up to the limit") {
  Window window(4);
  CHECK(window.size() == 1);
  CHECK_FALSE(window.proven());
  window.established();
  CHECK(window.proven());
  CHECK(window.size() == 1);
  for (int i = 0; i < 10; ++i) window.completed();
  CHECK(window.size() == 4);
}

TEST_CASE("A refusal closes the window to what lives, and it opens again slowly") {
  Window window(20);
  window.established();
  for (int i = 0; i < 20; ++i) window.completed();
  window.refused(5);
  CHECK(window.size() == 5);
  for (int i = 0; i < 4; ++i) window.completed();
  CHECK(window.size() == 5);
  window.completed();
  CHECK(window.size() == 6);
  for (int i = 0; i < 5; ++i) window.completed();
  CHECK(window.size() == 6);
  window.completed();
  CHECK(window.size() == 7);
}

TEST_CASE("A window never closes entirely, nor opens by a refusal") {
  Window window(20);
  window.refused(0);
  CHECK(window.size() == 1);
  window.refused(9);
  CHECK(window.size() == 1);
}

TEST_CASE("After an outage a site starts with one session, quickly growing again") {
  Window window(20);
  window.established();
  for (int i = 0; i < 20; ++i) window.completed();
  window.refused(3);
  window.outage();
  CHECK(window.size() == 1);
  CHECK_FALSE(window.proven());
  window.established();
  window.completed();
  window.completed();
  CHECK(window.size() == 3);
}

TEST_CASE("A lower limit holds at once, a higher one is grown into") {
  Window window(20);
  for (int i = 0; i < 20; ++i) window.completed();
  window.set_limit(3);
  CHECK(window.size() == 3);
  window.set_limit(5);
  CHECK(window.size() == 3);
  window.completed();
  CHECK(window.size() == 4);
  window.set_limit(0);
  CHECK(window.size() == 1);
}
