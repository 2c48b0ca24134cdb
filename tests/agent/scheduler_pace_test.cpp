// What hosts show by their answers, and how many sessions they are then sent.
#include "tests/agent/scheduler_fixture.h"

#include <map>

using namespace bulkmail;
using namespace bulkmail::agent;
using namespace bulkmail::agent::test;
using Kind = Work::Kind;

namespace {

constexpr std::uint32_t capacity = 4; // sessions that a host answers as fast as one

// A host that is sent as much as the queue likes; each transaction takes as long as `time` says of the sessions it has.
struct Busy {
  Fixture f{{.connections_per_site = 20, .recipients_per_transaction = 1, .idle = 1h}};
  std::multimap<Monotonic, Work> under_way;

  explicit Busy(std::size_t recipients) {
    f.add(users(recipients, "d.mx"));
    f.route_all(1000h);
  }

  template <class Time>
  void take(Time time) {
    for (auto& work : f.all_work()) {
      if (work.kind == Kind::close) {
        f.scheduler.session_gone(work.session, Scheduler::Gone::closed, nullptr, f.now);
      } else {
        const auto lasts = time(f.scheduler.load().sessions);
        under_way.emplace(f.now + lasts, std::move(work));
      }
    }
    REQUIRE(f.scheduler.load().sessions <= 20);
  }

  // The next answer comes.
  Work answered() {
    auto first = under_way.extract(under_way.begin());
    f.now = std::max(f.now, first.key());
    return std::move(first.mapped());
  }

  std::uint32_t window() { return f.scheduler.sites().front().window; }
};

} // namespace

TEST_CASE("A host that asks for less sees fewer sessions, down to one") {
  Busy host(5000);
  const auto steady = [](auto) { return 100ms; };
  host.take(steady);
  for (int i = 0; i < 100; ++i) {
    host.f.complete(host.answered());
    host.take(steady);
  }
  REQUIRE(host.f.scheduler.load().sessions == 20);
  std::uint32_t sessions = 20;
  for (int i = 0; i < 400; ++i) {
    host.f.complete(host.answered(), {.end_of_data = 10ms, .pushed_back = true}, delayed(host.f.now + 1h));
    host.take(steady);
    CHECK(host.f.scheduler.load().sessions <= sessions);
    sessions = host.f.scheduler.load().sessions;
  }
  CHECK(sessions == 1);
}

TEST_CASE("A delay that does not ask for less shrinks nothing") {
  Busy host(5000);
  const auto steady = [](auto) { return 100ms; };
  host.take(steady);
  for (int i = 0; i < 400; ++i) { // greylisting
    host.f.complete(host.answered(), {}, delayed(host.f.now + 1h));
    host.take(steady);
  }
  CHECK(host.f.scheduler.load().sessions == 20);
}

TEST_CASE("A host whose answers to the end of data take longer the more sessions it has, is sent few") {
  Busy host(40'000);
  const auto loaded = [](std::uint32_t sessions) { return 100ms * std::max(sessions, capacity) / capacity; };
  host.take(loaded);
  std::uint64_t sessions = 0;
  for (int i = 0; i < 20'000; ++i) {
    const auto took = loaded(host.f.scheduler.load().sessions);
    host.f.complete(host.answered(), {.end_of_data = took, .pushed_back = false});
    host.take(loaded);
    if (i >= 10'000) sessions += host.f.scheduler.load().sessions;
  }
  CHECK(sessions < 7 * 10'000);
  CHECK(sessions > 3 * 10'000);
}
