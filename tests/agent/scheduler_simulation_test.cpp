// Whole runs in virtual time, with peers that take fixed times: who has to wait for whom.
#include "tests/agent/scheduler_fixture.h"

#include <functional>
#include <map>
#include <queue>

using namespace bulkmail;
using namespace bulkmail::agent;
using namespace bulkmail::agent::test;
using Kind = Work::Kind;

namespace {

constexpr auto look_up = 20ms;
constexpr auto connect = 100ms;     // to ready
constexpr auto transaction = 150ms; // a few round trips
constexpr auto quit = 50ms;
constexpr auto silence = 30s; // before a session to a silent host is given up

class World {
 public:
  explicit World(SchedulerConfig config) : scheduler_(config, dice_) {}

  // Domains are "x.<host>"; hosts whose name begins with "silent" never answer.
  void add(const std::string& domain, std::size_t recipients) {
    messages_.push_back(make_message(messages_.size() + 1, users(recipients, domain)));
    added_.push_back(now_);
    put(scheduler_, *messages_.back(), now_ + 120h, now_);
  }

  void after(milliseconds delay, std::function<void()> event) {
    events_.push({now_ + delay, ++order_, std::move(event)});
  }

  // Until everything for the healthy hosts is done.
  void run() {
    pump();
    while (!events_.empty() && left_open()) {
      const Event event = events_.top();
      events_.pop();
      now_ = event.at;
      event.what();
      pump();
    }
  }

  // From being added to being done: of the last recipient at a host, and of so many percent of those at all hosts but one.
  [[nodiscard]] milliseconds last(const std::string& host) const { return times_.at(host).back(); }

  [[nodiscard]] milliseconds within(std::size_t percent, const std::string& but = "") const {
    std::vector<milliseconds> all;
    for (const auto& [host, times] : times_) {
      if (host != but) all.insert(all.end(), times.begin(), times.end());
    }
    std::ranges::sort(all);
    return all.at(all.size() * percent / 100);
  }

  std::uint64_t expected = 0; // recipients at healthy hosts

 private:
  struct Event {
    Monotonic at;
    std::uint64_t order;
    std::function<void()> what;

    bool operator<(const Event& other) const {
      return std::pair(at, order) > std::pair(other.at, other.order);
    }
  };

  [[nodiscard]] bool left_open() const { return done_ < expected; }

  void pump() {
    while (auto domain = scheduler_.next_wanted()) {
      after(look_up, [this, name = *domain] {
        scheduler_.route_found(name, make_route(name, name.substr(name.find('.') + 1), now_ + 24h), now_);
      });
    }
    while (auto work = scheduler_.next_work(now_)) perform(std::move(*work));
    const auto wake = scheduler_.wake_at(now_);
    if (wake && *wake > now_ && (!next_wake_ || *wake < *next_wake_ || *next_wake_ <= now_)) {
      next_wake_ = wake;
      after(std::chrono::ceil<milliseconds>(*wake - now_), [] {});
    }
    REQUIRE(scheduler_.load().sessions <= 1000);
  }

  void perform(Work work) {
    switch (work.kind) {
    case Kind::close:
      after(quit, [this, id = work.session] {
        scheduler_.session_gone(id, Scheduler::Gone::closed, nullptr, now_);
      });
      break;
    case Kind::open:
      if (work.way->hosts.front().name.starts_with("silent")) {
        after(silence, [this, work] {
          answer(work, delayed(now_ + 5min));
          scheduler_.session_gone(work.session, Scheduler::Gone::refused, Fixture::no_answer(), now_);
        });
      } else {
        after(connect, [this, work] {
          scheduler_.session_established(work.session, now_);
          transact(work);
        });
      }
      break;
    case Kind::reuse: transact(std::move(work)); break;
    case Kind::give_up: break; // silent hosts are silent to that too, here
    case Kind::site_down: answer(work, delayed(work.due)); break;
    case Kind::unroutable:
    case Kind::cancelled:
    case Kind::expired: answer(work, delayed(now_ + 5min)); break;
    }
  }

  void transact(Work work) {
    after(transaction, [this, work = std::move(work)] {
      auto& times = times_[work.way->hosts.front().name];
      const auto took = now_ - added_.at(work.message - 1);
      times.insert(times.end(), work.recipients.size(), std::chrono::floor<milliseconds>(took));
      done_ += work.recipients.size();
      answer(work, done, Pace{});
      scheduler_.session_free(work.session, now_);
    });
  }

  void answer(const Work& work, Disposition disposition, std::optional<Pace> pace = {}) {
    const std::vector<Disposition> alike(work.recipients.size(), disposition);
    scheduler_.settle(work.attempt, alike, now_, pace);
  }

  SeededDice dice_{5};
  Monotonic now_ = Monotonic{} + 1h;
  Scheduler scheduler_;
  std::vector<std::unique_ptr<spool::Message>> messages_;
  std::vector<Monotonic> added_;
  std::priority_queue<Event> events_;
  std::uint64_t order_ = 0, done_ = 0;
  std::optional<Monotonic> next_wake_;
  std::map<std::string, std::vector<milliseconds>> times_;
};

} // namespace

TEST_CASE("A site that has nine tenths of the mail does not hold up the others") {
  struct Times {
    milliseconds most, nearly_all;
  };

  const auto run = [](const SchedulerConfig& config, bool with_big) {
    World world(config);
    constexpr int sites = 10, mails = 200;
    if (with_big) {
      for (int i = 0; i < 9 * sites * mails; ++i) world.add("d.big", 1);
    }
    // The others' come in the course of half a minute.
    for (int m = 0; m < mails; ++m) {
      for (int s = 0; s < sites; ++s) {
        world.after(1s + m * 150ms + s * 15ms, [&world, s] { world.add(fmt::format("d.mx{}", s), 1); });
      }
    }
    world.expected = (with_big ? 10 : 1) * sites * mails;
    world.run();
    return Times{world.within(90, "big"), world.within(99, "big")};
  };
  // With places enough, and where the big site has all of them when the others come.
  for (const std::uint32_t connections : {1000U, 60U}) {
    const SchedulerConfig config{.connections = connections,
                                 .connections_per_site = std::min(connections, 60U)};
    const Times alone = run(config, false);
    const Times beside = run(config, true);
    INFO("alone " << alone.most.count() << ", " << alone.nearly_all.count() << " ms; beside the big site "
                  << beside.most.count() << ", " << beside.nearly_all.count() << " ms");
    CHECK(beside.most <= alone.most * 11 / 10);
    CHECK(beside.nearly_all <= alone.nearly_all * 11 / 10);
  }
}

TEST_CASE("Two hundred silent sites do not hold up two hundred healthy ones") {
  const auto run = [&](bool with_silent, int mails) {
    World world({.connections = 1000});
    for (int m = 0; m < mails; ++m) {
      for (int s = 0; s < 200; ++s) {
        if (with_silent) world.add(fmt::format("d.silent{}", s), 1);
        world.add(fmt::format("d.mx{}", s), 1);
      }
    }
    world.expected = 200U * static_cast<unsigned>(mails);
    world.run();
    return world.within(99);
  };
  const auto compare = [&](int mails, int percent) {
    const auto alone = run(false, mails);
    const auto beside = run(true, mails);
    INFO("p99 alone " << alone.count() << " ms, beside silent sites " << beside.count() << " ms");
    CHECK(beside <= alone * percent / 100);
  };
  compare(10, 110);
  // The healthy ones could use every connection. The silent ones hold one each until they are given up, and no more.
  compare(400, 100 * 1000 / (1000 - 200) + 5);
}

TEST_CASE("A thousand silent sites hold up those behind them no longer than it takes to give them up, half "
          "at a time") {
  World world({.connections = 1000});
  world.add("d.proven", 1);
  for (int s = 0; s < 1000; ++s) world.add(fmt::format("d.silent{}", s), 5);
  for (int s = 0; s < 50; ++s) world.add(fmt::format("d.mx{}", s), 1000);
  // One that has answered before does not wait at all.
  world.after(5s, [&] { world.add("d.proven", 1); });
  world.expected = 50'002;
  world.run();
  CHECK(world.last("proven") == transaction);
  CHECK(world.within(99) < 2 * silence + 2s);
}

TEST_CASE(
    "Sites that have been silent for hours do not keep a new one waiting when they are all tried again") {
  Fixture f({.connections = 40}); // half of which may open to Sites that have not answered
  for (int i = 0; i < 40; ++i) f.add({fmt::format("a@d.silent{}", i)});
  const auto try_all = [&] {
    std::vector<Work> opened;
    for (auto& work : f.all_work()) {
      if (work.kind == Kind::open) opened.push_back(std::move(work));
      if (work.kind == Kind::site_down) f.settle(work, delayed(work.due));
    }
    return opened;
  };
  for (int failures = 0; failures < 6; ++failures) {
    f.route_all(1000h);
    for (auto opened = try_all(); !opened.empty(); opened = try_all()) {
      for (const auto& work : opened) f.refuse(work);
    }
    f.now += 1h;
  }
  CHECK(try_all().size() == 15);
  f.add({"a@d.new"});
  f.route_all();
  const auto opened = try_all();
  REQUIRE(opened.size() == 1);
  CHECK(opened.front().way->site == "10 new");
}

TEST_CASE("A million recipients are delayed, and come again when they are due") {
  Fixture f({.connections_per_site = 1000});
  auto& message = f.add(users(1'000'000, "d.mx"));
  f.route_all(1000h);
  std::size_t pieces = 0;
  SeededDice dice(9);
  const auto delay_all = [&] {
    while (auto work = f.work()) {
      if (work->kind == Kind::close) {
        f.scheduler.session_gone(work->session, Scheduler::Gone::closed, nullptr, f.now);
        continue;
      }
      if (work->kind == Kind::open) f.scheduler.session_established(work->session, f.now);
      ++pieces;
      f.settle(*work, delayed(f.now + 5min + std::chrono::milliseconds(dice.below(75'000))), Pace{});
      f.scheduler.session_free(work->session, f.now);
    }
  };
  delay_all();
  CHECK(pieces == 10'000);
  CHECK(f.scheduler.load().delayed == 1'000'000);
  CHECK(f.next_attempt(message.number()) >= f.now + 5min);
  f.now += 7min;
  pieces = 0;
  delay_all();
  CHECK(pieces == 10'000);
  f.scheduler.flush({}, f.now);
  std::size_t finished = 0;
  while (auto work = f.work()) {
    finished += work->recipients.size();
    f.complete(*work);
  }
  CHECK(finished == 1'000'000);
  CHECK(f.scheduler.finished(message.number()));
}

TEST_CASE("A million recipients, each due at its own time") {
  Fixture f({.connections_per_site = 1000, .recipients_per_transaction = 100});
  auto message = make_message(1, users(1'000'000, "d.mx"));
  SeededDice dice(9);
  std::vector<Consignment::Restored> restored;
  for (std::uint32_t i = 0; i < 1'000'000; ++i) {
    restored.push_back({i, 1, f.now + 1min + std::chrono::microseconds(dice.below(60'000'000))});
  }
  put(f.scheduler, *message, f.now + 100h, f.now, restored);
  CHECK(f.scheduler.load().delayed == 1'000'000);
  std::size_t finished = 0;
  f.now += 1min;
  for (int i = 0; i < 61; ++i, f.now += 1s) {
    if (auto wanted = f.route_all(1000h); !wanted.empty()) CHECK(wanted.size() == 1);
    while (auto work = f.work()) {
      finished += work->recipients.size();
      if (work->kind == Kind::close)
        f.scheduler.session_gone(work->session, Scheduler::Gone::closed, nullptr, f.now);
      else
        f.complete(*work);
    }
  }
  CHECK(finished == 1'000'000);
}
