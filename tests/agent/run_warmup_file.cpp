// How far source addresses are warmed up, kept over a restart.
#include "agent/run/state_file.h"
#include "agent/run/warmup_file.h"
#include "spool/layout.h"
#include "tests/simulation/memory_disk.h"

#include <catch2/catch.hpp>

#include <functional>
#include <utility>
#include <vector>

using namespace bulkmail;
using namespace bulkmail::agent;
using namespace std::chrono_literals;
using simulation::MemoryDisk;

namespace {

// Jobs wait until the test lets them run.
struct HeldPool : Pool {
  void run(std::function<void()> work, std::function<void()> done) override {
    jobs.emplace_back(std::move(work), std::move(done));
  }

  std::size_t run_all() {
    std::size_t count = 0;
    for (; !jobs.empty(); ++count) {
      const auto [work, done] = std::move(jobs.front());
      jobs.erase(jobs.begin());
      work();
      done();
    }
    return count;
  }

  std::vector<std::pair<std::function<void()>, std::function<void()>>> jobs;
};

struct SilentLog : Log {
  [[nodiscard]] bool wants(Level) const override { return false; }

  [[nodiscard]] bool json() const override { return false; }

  void write(Level, std::string_view) override {}
};

const auto one = *resolver::IpAddress::parse("192.0.2.1");
const auto other = *resolver::IpAddress::parse("2001:db8::1");
const std::vector both{one, other};
constexpr Wall noon{500'000h};

struct Rig {
  Rig() { REQUIRE(spool::make_spool_layout(disk)); }

  [[nodiscard]] WarmupFile file() { return {disk, pool, log}; }

  [[nodiscard]] std::string text() { return read_state(disk, "state/warmup", 1 << 20)->value_or("none"); }

  MemoryDisk disk;
  HeldPool pool;
  SilentLog log;
};

} // namespace

TEST_CASE("the warm-up of addresses is known again as it stood after an orderly end") {
  Rig rig;
  const WarmupStates states{{one, {1, true, 5h, 17min, noon}}, {other, {0, false, 0ms, 0ms, noon}}};
  {
    auto file = rig.file();
    const auto fresh = file.recover(both);
    REQUIRE(fresh);
    CHECK(fresh->at(one) == WarmupState{});
    CHECK(rig.text().starts_with("running\n"));
    file.close(states);
    CHECK_FALSE(file.idle());
    rig.pool.run_all();
    CHECK(file.idle());
  }
  CHECK_FALSE(rig.text().starts_with("running\n"));
  CHECK(rig.file().recover(both).value() == states);
}

TEST_CASE("what an address owes after a crash is not known, and its days are") {
  Rig rig;
  {
    auto file = rig.file();
    REQUIRE(file.recover(both));
    file.keep({{one, {1, true, 5h, 17min, noon}}});
    rig.pool.run_all();
  }
  const auto states = rig.file().recover(both).value();
  CHECK(states.at(one) == WarmupState{1, true, 5h, std::nullopt, noon});
  CHECK_FALSE(states.at(other).wait);
  // Again, before anything was written.
  CHECK_FALSE(rig.file().recover(both)->at(one).wait);
}

TEST_CASE("while it runs only a begin and a step are news, and the last of many is written") {
  Rig rig;
  auto file = rig.file();
  REQUIRE(file.recover(both));
  file.keep({{one, {0, false, 0ms, 0ms, noon}}});
  CHECK(rig.pool.run_all() == 0);
  file.keep({{one, {0, true, 0ms, 1h, noon}}});
  file.keep({{one, {0, true, 1h, 0ms, noon + 1h}}});
  file.keep({{one, {1, true, 0ms, 0ms, noon + 24h}}});
  file.keep({{one, {2, true, 0ms, 0ms, noon + 48h}}});
  CHECK(rig.pool.run_all() == 2);
  CHECK(read_warmup(rig.text()).at(one).step == 2);
}

TEST_CASE("an address that is not warmed up at present keeps its line") {
  Rig rig;
  const WarmupStates states{{one, {1, true, 5h, 17min, noon}}};
  {
    auto file = rig.file();
    REQUIRE(file.recover({&one, 1}));
    file.close(states);
    rig.pool.run_all();
  }
  {
    auto file = rig.file();
    REQUIRE(file.recover({}));
    CHECK(rig.text().find("running") == std::string::npos); // nothing is owed by this run
    file.close({});
    CHECK(file.idle());
  }
  {
    auto file = rig.file();
    REQUIRE(file.recover({&other, 1}));
    file.close({{other, {0, true, 1h, 0ms, noon}}});
    rig.pool.run_all();
  }
  CHECK(rig.file().recover(both)->at(one) == states.at(one));
}

TEST_CASE("a warm-up file that can't be read is an error that says what to do") {
  Rig rig;
  REQUIRE(write_state(rig.disk, "state/warmup", std::string(2 << 20, ' ')));
  const auto read = rig.file().recover(both);
  REQUIRE_FALSE(read);
  CHECK_THAT(read.error().text, Catch::Contains("it is too large") && Catch::Contains("remove it"));
}
