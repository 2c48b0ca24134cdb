// Forecasts beside what comes true.
#include "tests/agent/scheduler_fixture.h"

#include <deque>

using namespace bulkmail;
using namespace bulkmail::agent;
using namespace bulkmail::agent::test;
using Kind = Work::Kind;

namespace {

// One session that carries ten recipients in 100 ms.
SchedulerConfig a_hundred_a_second() {
  return {.connections_per_site = 1, .recipients_per_transaction = 10, .idle = 24h};
}

struct Served {
  std::uint64_t done = 0;
  Monotonic half{}, nearly_all{};
};

// Serves message 1 for a time, and answers what became of it.
Served serve(Fixture& f, std::uint64_t recipients, std::chrono::milliseconds time, Served served = {}) {
  const Monotonic end = f.now + time;
  while (f.now < end && f.known() > 0) {
    f.route_all(1000h);
    auto all = f.all_work();
    f.now += 100ms;
    for (const auto& work : all) {
      if (work.session == 0) {
        f.settle(work, delayed(work.due));
        continue;
      }
      f.complete(work);
      if (work.message != 1) continue;
      served.done += work.recipients.size();
      if (served.done * 2 >= recipients && served.half == Monotonic{}) served.half = f.now;
      if (served.done * 100 >= recipients * 99 && served.nearly_all == Monotonic{}) served.nearly_all = f.now;
    }
  }
  return served;
}

double seconds(Monotonic::duration time) { return std::chrono::duration<double>(time).count(); }

std::uint64_t foreseen(const Outlook& outlook) {
  std::uint64_t sum = 0;
  for (const auto& stretch : outlook.stretches) sum += stretch.recipients;
  return sum;
}

} // namespace

TEST_CASE("A post's forecast comes true while it is being sent") {
  Fixture f(a_hundred_a_second());
  constexpr std::uint64_t all = 100'000;
  f.add(users(all, "d.mx"));

  struct Said {
    Monotonic when;
    Forecast forecast;
  };

  std::vector<Said> said;
  Served served;
  while (f.known() > 0) {
    served = serve(f, all, 50s, served);
    if (f.known() == 0) break;
    const auto forecast_now = forecast(f.scheduler.outlook(1, f.now), served.done, f.now, f.now + 120h);
    REQUIRE(forecast_now);
    said.push_back({f.now, *forecast_now});
  }
  REQUIRE(said.size() >= 19);
  for (const auto& [when, told] : said) {
    INFO("at " << seconds(when - served.half) << " s from the half: half in " << seconds(told.half - when)
               << " s, nearly all in " << seconds(told.nearly_all - when) << " s");
    if (when < served.half)
      CHECK(seconds(told.half - when) == Approx(seconds(served.half - when)).epsilon(0.1).margin(2));
    if (when >= served.half) CHECK(told.half <= when + 1ms);
    if (when < served.nearly_all)
      CHECK(seconds(told.nearly_all - when) ==
            Approx(seconds(served.nearly_all - when)).epsilon(0.1).margin(2));
  }
}

TEST_CASE("A personal mail beside a post is foreseen to be soon, and the post not to wait for it") {
  Fixture f(a_hundred_a_second());
  f.add(users(100'000, "d.mx"));
  serve(f, 100'000, 20s);
  f.add({"ann@d.mx"});
  f.route_all(1000h);
  f.all_work();
  const auto personal = forecast(f.scheduler.outlook(2, f.now), 0, f.now, f.now + 120h);
  REQUIRE(personal);
  CHECK(personal->nearly_all <= f.now + 1s);
  const auto post = forecast(f.scheduler.outlook(1, f.now), 0, f.now, f.now + 120h);
  REQUIRE(post);
  CHECK(seconds(post->nearly_all - f.now) == Approx(980).epsilon(0.1));
}

TEST_CASE("Two posts of one weight share a site, and the forecast says so") {
  Fixture f(a_hundred_a_second());
  f.add(users(10'000, "d.mx"));
  f.add(users(10'000, "e.mx"));
  serve(f, 10'000, 20s);
  const auto made = forecast(f.scheduler.outlook(1, f.now), 0, f.now, f.now + 120h);
  REQUIRE(made);
  CHECK(seconds(made->nearly_all - f.now) == Approx(180).epsilon(0.15));
}

TEST_CASE("Of a site that never answered nothing can be said, of one that did, when it is tried again") {
  Fixture f(a_hundred_a_second());
  f.add(users(100, "d.mx"));
  f.route_all();
  const Work work = f.the_work();
  CHECK(f.scheduler.outlook(1, f.now).unknown == 100);
  f.refuse(work);
  for (const auto& told : f.all_work()) f.settle(told, delayed(told.due));
  CHECK(f.scheduler.outlook(1, f.now).unknown == 100);
  CHECK_FALSE(forecast(f.scheduler.outlook(1, f.now), 0, f.now, f.now + 120h));
  // If that is the smaller part, it ends when the message does.
  const auto late = forecast(f.scheduler.outlook(1, f.now), 900, f.now, f.now + 120h);
  REQUIRE(late);
  CHECK(late->half <= f.now + 1ms);
  CHECK(late->nearly_all >= f.now + 119h);

  f.now += 7min;
  f.complete(f.the_work());
  for (int i = 0; i < 3; ++i) {
    f.now += 100ms;
    f.complete(f.the_work());
  }
  const Work next = f.the_work();
  f.settle(next, again);
  f.scheduler.session_gone(next.session, Scheduler::Gone::refused, Fixture::no_answer(), f.now);
  const auto outlook = f.scheduler.outlook(1, f.now);
  CHECK(outlook.unknown == 0);
  CHECK(foreseen(outlook) == 60);
  for (const auto& stretch : outlook.stretches) CHECK(stretch.begin >= f.now + 5min);
}

TEST_CASE("What is delayed is foreseen for when it is due, and what is held for no time") {
  Fixture f(a_hundred_a_second());
  f.add(users(30, "d.mx"));
  f.route_all();
  const Work first = f.the_work();
  f.now += 100ms;
  f.complete(first);
  const Work second = f.the_work();
  f.now += 100ms;
  f.settle(second, delayed(f.now + 1h));
  f.scheduler.session_free(second.session, f.now);
  const auto outlook = f.scheduler.outlook(1, f.now);
  CHECK(foreseen(outlook) == 20);
  CHECK(std::ranges::count_if(outlook.stretches, [&](const Stretch& s) { return s.begin == f.now + 1h; }) ==
        1);
  f.scheduler.hold(one_message(1), f.now);
  f.all_work();
  CHECK(f.scheduler.outlook(1, f.now).unknown == 20);
}

TEST_CASE("A message to very many domains is foreseen by some of them") {
  Fixture f(a_hundred_a_second());
  std::vector<std::string> addresses;
  for (int i = 0; i < 30'000; ++i) addresses.push_back(fmt::format("a@d{}.mx", i));
  f.add(addresses);
  serve(f, 30'000, 20s);
  const auto outlook = f.scheduler.outlook(1, f.now);
  CHECK(outlook.unknown == 0);
  CHECK(static_cast<double>(foreseen(outlook)) == Approx(f.known()).epsilon(0.01));
  const auto made = forecast(outlook, 0, f.now, f.now + 120h);
  REQUIRE(made);
  // Each has a transaction of its own: ten a second.
  CHECK(seconds(made->nearly_all - f.now) == Approx(static_cast<double>(f.known()) / 10).epsilon(0.1));
}
