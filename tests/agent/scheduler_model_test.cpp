// A random world drives the scheduler, and after each step what must always hold is checked from outside: every recipient
// is in exactly one place and settled once, limits hold, chunks are bounded, and in the end nothing is left.
#include "tests/agent/scheduler_fixture.h"

#include <deque>
#include <map>
#include <set>

using namespace bulkmail;
using namespace bulkmail::agent;
using namespace bulkmail::agent::test;
using Kind = Work::Kind;

namespace {

constexpr int domains = 24;
constexpr int hosts = 8;

class Model {
 public:
  explicit Model(std::uint64_t seed)
      : dice_(seed),
        config_{.connections = static_cast<std::uint32_t>(2 + dice_.below(12)),
                .connections_per_site = static_cast<std::uint32_t>(1 + dice_.below(6)),
                .recipients_per_transaction = static_cast<std::uint32_t>(1 + dice_.below(20)),
                .mixed_domains = dice_.below(2) == 0,
                .idle = 10s,
                .schedule = RetrySchedule({10s, 30s, 60s}),
                .sites = groups(dice_)},
        scheduler_(config_, dice_) {}

  void run(int steps) {
    for (int i = 0; i < steps; ++i) {
      step();
      check();
    }
    drain();
  }

 private:
  enum class Where { waiting, attempt, done };

  // Some of the hosts are one Site.
  static SiteRules groups(Dice& dice) {
    SiteRule rule;
    for (std::uint64_t i = dice.below(4); i > 0; --i) rule.match.push_back(fmt::format("mx{}", i));
    rule.group = "group";
    return rule.match.empty() ? SiteRules() : SiteRules(std::vector{rule});
  }

  [[nodiscard]] std::string site_of(const Work& work) const { return config_.sites.identity(*work.way).name; }

  struct Letter {
    std::unique_ptr<spool::Message> message;
    std::vector<Where> where;
    std::vector<Monotonic> not_before;
    Monotonic expires;
    bool forgotten = false;
    bool cancelled = false;
    std::size_t left = 0;
  };

  struct Line { // a session
    enum class State { opening, busy, idle, closing } state;
    std::string site, hosts;
    std::deque<AttemptId> attempts; // under way, oldest first
    bool room = false;
  };

  std::string domain_name(std::uint64_t i) const { return fmt::format("d{}.example", i); }

  void step() {
    switch (dice_.below(12)) {
    case 0:
    case 1: add(); break;
    case 2: now_ += std::chrono::milliseconds(dice_.below(20'000)); break;
    case 3: now_ += std::chrono::milliseconds(dice_.below(500)); break;
    case 4:
    case 5: resolve(); break;
    case 6:
      flush();
      take_all();
      break;
    case 7: odd(); break;
    default: progress(); break;
    }
    if (dice_.below(3) != 0) take_all();
  }

  void add() {
    std::vector<std::string> addresses;
    const auto count = dice_.below(10) == 0 ? dice_.below(120) + 1 : dice_.below(5) + 1;
    const auto spread = dice_.below(3) == 0 ? domains : 1 + dice_.below(3);
    const auto first = dice_.below(domains);
    for (std::uint64_t i = 0; i < count; ++i) {
      addresses.push_back(fmt::format("u{}@{}", i, domain_name((first + dice_.below(spread)) % domains)));
    }
    if (dice_.below(20) == 0) addresses.push_back("x@" + std::string(70, 'y') + ".example");
    const std::uint64_t number = letters_.size() + 1;
    Letter& letter = letters_[number];
    letter.message = make_message(number, addresses, dice_.below(8) == 0);
    letter.left = addresses.size();
    letter.where.assign(addresses.size(), Where::waiting);
    letter.not_before.assign(addresses.size(), now_);
    letter.expires = now_ + std::chrono::milliseconds(60'000 + dice_.below(600'000));
    std::vector<Consignment::Restored> restored;
    if (dice_.below(4) == 0) {
      for (std::uint32_t i = 0; i < addresses.size(); i += 2) {
        restored.push_back({i, 1, now_ + std::chrono::milliseconds(dice_.below(50'000))});
        letter.not_before[i] = restored.back().due;
      }
    }
    put(scheduler_, *letter.message, letter.expires, now_, restored, dice_.below(3) == 0);
  }

  void resolve() {
    while (auto domain = scheduler_.next_wanted()) {
      REQUIRE(asked_.insert(*domain).second); // one question each
    }
    for (auto at = asked_.begin(); at != asked_.end();) {
      if (dice_.below(3) == 0) {
        ++at;
        continue;
      }
      if (dice_.below(8) == 0) {
        resolver::RouteFailure failure;
        failure.permanent = dice_.below(2) == 0;
        scheduler_.route_found(*at, std::unexpected(failure), now_);
      } else {
        const auto ttl = dice_.below(3) == 0 ? 0ms : std::chrono::milliseconds(dice_.below(100'000));
        // Now and then a domain has moved.
        const auto host = (std::hash<std::string>{}(*at) + (dice_.below(10) == 0 ? 1 : 0)) % hosts;
        scheduler_.route_found(*at, make_route(*at, fmt::format("mx{}", host), now_ + ttl), now_);
      }
      at = asked_.erase(at);
    }
  }

  void flush() {
    switch (dice_.below(12)) {
    case 0: scheduler_.flush({}, now_), all_due(); break;
    case 1: scheduler_.flush(at_site(domain_name(dice_.below(domains))), now_), all_due(); break;
    case 2:
      if (!letters_.empty()) scheduler_.flush(one_message(1 + dice_.below(letters_.size())), now_), all_due();
      break;
    default: break;
    }
  }

  // After a flush the model does not say what is due; it only goes on counting.
  void all_due() {
    for (auto& [number, letter] : letters_) std::ranges::fill(letter.not_before, Monotonic{});
  }

  void odd() {
    switch (dice_.below(6)) {
    case 0:
      paused_ = !paused_;
      scheduler_.pause(paused_);
      break;
    case 1:
      config_.connections = static_cast<std::uint32_t>(2 + dice_.below(12));
      config_.connections_per_site = static_cast<std::uint32_t>(1 + dice_.below(6));
      scheduler_.set_config(config_, now_);
      break;
    case 2:
      if (!letters_.empty()) forget(1 + dice_.below(letters_.size()));
      break;
    case 3:
      if (!letters_.empty()) {
        const auto number = 1 + dice_.below(letters_.size());
        scheduler_.cancel(one_message(number), now_);
        letters_[number].cancelled = true;
      }
      break;
    case 4:
      if (!letters_.empty()) hold(1 + dice_.below(letters_.size()), true);
      break;
    default:
      if (!held_.empty()) hold(*held_.begin(), false);
      break;
    }
  }

  void forget(std::uint64_t number) {
    Letter& letter = letters_[number];
    scheduler_.forget(number);
    if (std::exchange(letter.forgotten, true)) return;
    for (std::size_t i = 0; i < letter.where.size(); ++i) {
      if (letter.where[i] == Where::waiting) finish(letter, i);
    }
  }

  void hold(std::uint64_t number, bool on) {
    on ? scheduler_.hold(one_message(number), now_) : scheduler_.release(one_message(number), now_);
    on ? (void)held_.insert(number) : (void)held_.erase(number);
  }

  void finish(Letter& letter, std::size_t i) {
    REQUIRE(letter.where[i] != Where::done);
    letter.where[i] = Where::done;
    --letter.left;
  }

  void take_all() {
    const auto idle_before = scheduler_.load().sessions;
    for (int stops = 0;;) {
      while (auto work = scheduler_.next_work(now_)) take(std::move(*work));
      const auto wake = scheduler_.wake_at(now_);
      if (!wake || *wake > now_) break;
      // Nothing comes: then there is nothing to do now, unless a domain is to be asked for, or the loop has its turn.
      if (const auto wanted = scheduler_.next_wanted()) {
        REQUIRE(asked_.insert(*wanted).second);
      } else {
        REQUIRE(++stops < 1000);
      }
    }
    const auto load = scheduler_.load();
    CHECK(load.sessions <= std::max(config_.connections, idle_before));
  }

  void take(Work work) {
    if (work.kind == Kind::close) {
      Line& line = lines_.at(work.session);
      REQUIRE(line.state == Line::State::idle);
      line.state = Line::State::closing;
      return;
    }
    if (work.kind == Kind::give_up) {
      Line& line = lines_.at(work.session);
      REQUIRE(line.state == Line::State::opening);
      return lose(work.session, line, Scheduler::Gone::refused);
    }
    REQUIRE(work.facts != nullptr);
    Letter& letter = letters_.at(work.message);
    REQUIRE_FALSE(letter.forgotten);
    const bool leaves = work.kind == Kind::expired || work.kind == Kind::cancelled;
    if (!leaves) {
      REQUIRE_FALSE(letter.cancelled);
      REQUIRE_FALSE(held_.contains(work.message));
    }
    if (work.kind == Kind::cancelled) REQUIRE(letter.cancelled);
    REQUIRE_FALSE(work.recipients.empty());
    const bool transaction = work.kind == Kind::open || work.kind == Kind::reuse;
    const bool verp = work.facts->envelope.verp.has_value();
    CHECK(work.recipients.size() <= (transaction ? (verp ? 1 : config_.recipients_per_transaction) : 1000));
    REQUIRE_FALSE((paused_ && !leaves));
    std::set<std::string_view> of;
    for (const auto recipient : work.recipients) {
      REQUIRE(letter.where.at(recipient) == Where::waiting);
      letter.where[recipient] = Where::attempt;
      if (!leaves) CHECK(letter.not_before[recipient] <= now_);
      if (work.kind == Kind::expired) CHECK(letter.expires <= now_);
      of.insert(work.facts->envelope.recipient(recipient).domain);
    }
    if (!leaves && (!transaction || verp || !config_.mixed_domains)) CHECK(of.size() == 1);
    CHECK(work.mixed == (transaction && of.size() > 1));
    if (work.kind == Kind::open) {
      std::size_t of_site = 0;
      for (const auto& [id, line] : lines_) of_site += line.site == site_of(work);
      CHECK(of_site < config_.connections_per_site);
      CHECK(lines_.size() < config_.connections);
      REQUIRE(lines_
                  .try_emplace(work.session,
                               Line{Line::State::opening, site_of(work), work.way->site, {work.attempt}})
                  .second);
    } else if (work.kind == Kind::reuse) {
      Line& line = lines_.at(work.session);
      REQUIRE((line.state == Line::State::idle || (line.state == Line::State::busy && line.room)));
      CHECK(line.hosts == work.way->site);
      line.state = Line::State::busy;
      line.room = false;
      line.attempts.push_back(work.attempt);
    }
    REQUIRE(attempts_.try_emplace(work.attempt, std::move(work)).second);
  }

  // `site_due`: when its Site is tried next, if nobody answered there.
  void settle(AttemptId id, bool tried, std::optional<Monotonic> site_due = {}) {
    const Work work = std::move(attempts_.at(id));
    attempts_.erase(id);
    Letter& letter = letters_.at(work.message);
    std::vector<Disposition> answers;
    const auto due = now_ + std::chrono::milliseconds(1000 + dice_.below(60'000));
    const auto mood = dice_.below(4);
    for (const auto recipient : work.recipients) {
      REQUIRE(letter.where[recipient] == Where::attempt);
      Disposition answer = done;
      if (work.kind == Kind::expired || work.kind == Kind::cancelled) {
        answer = done;
      } else if (work.kind == Kind::site_down) {
        answer = delayed(work.due);
      } else if (site_due) {
        answer = delayed(*site_due);
      } else if ((work.kind == Kind::unroutable && !work.failure->permanent)) {
        answer = delayed(due);
      } else if (!tried) {
        answer = mood == 0 ? again : delayed(due);
      } else if (mood == 1) {
        const auto roll = dice_.below(6);
        answer = roll < 3 ? done : roll == 3 ? again : delayed(due + std::chrono::seconds(dice_.below(3)));
      }
      answers.push_back(answer);
      if (answer.kind == Disposition::Kind::done || letter.forgotten) {
        finish(letter, recipient);
      } else {
        letter.where[recipient] = Where::waiting;
        letter.not_before[recipient] = answer.kind == Disposition::Kind::delayed ? answer.due : now_;
        // What waits with its Site is ready as soon as that answers.
        if (site_due || work.kind == Kind::site_down) letter.not_before[recipient] = now_;
      }
    }
    std::optional<Pace> pace;
    if (tried) {
      pace = {.end_of_data = std::nullopt, .pushed_back = dice_.below(8) == 0};
      if (dice_.below(2) == 0) pace->end_of_data = std::chrono::milliseconds(dice_.below(2000));
    }
    scheduler_.settle(id, answers, now_, pace);
  }

  // Something happens to some of the sessions and answers under way.
  void progress() {
    std::vector<AttemptId> local;
    for (const auto& [id, work] : attempts_) {
      if (work.session == 0 && dice_.below(2) == 0) local.push_back(id);
    }
    for (const auto id : local) settle(id, true);
    std::vector<SessionId> moving;
    for (const auto& [id, line] : lines_) {
      if (dice_.below(2) == 0) moving.push_back(id);
    }
    for (const auto id : moving) move(id, lines_.at(id));
  }

  void move(SessionId id, Line& line) {
    using Gone = Scheduler::Gone;
    switch (line.state) {
    case Line::State::opening:
      if (dice_.below(4) == 0) {
        lose(id, line, dice_.below(5) == 0 ? Gone::closed : Gone::refused);
      } else {
        scheduler_.session_established(id, now_);
        line.state = Line::State::busy;
      }
      break;
    case Line::State::busy:
      if (dice_.below(10) == 0) {
        lose(id, line, dice_.below(2) == 0 ? Gone::closed : Gone::refused);
      } else if (line.attempts.size() < 5 && dice_.below(2) == 0) {
        scheduler_.session_has_room(id, now_);
        line.room = true;
      } else {
        const AttemptId oldest = line.attempts.front();
        line.attempts.pop_front();
        if (attempts_.at(oldest).mixed && dice_.below(8) == 0) scheduler_.mixing_refused(id, now_);
        settle(oldest, true);
        if (!line.attempts.empty()) break;
        line.room = false;
        if (dice_.below(10) == 0) {
          lose(id, line, Gone::closed);
        } else {
          scheduler_.session_free(id, now_);
          line.state = Line::State::idle;
        }
      }
      break;
    case Line::State::idle:
      if (dice_.below(20) == 0) lose(id, line, Gone::closed);
      break;
    case Line::State::closing: lose(id, line, Gone::closed); break;
    }
  }

  void lose(SessionId id, Line& line, Scheduler::Gone how) {
    const auto attempts = line.attempts;
    const auto settle_all = [&](std::optional<Monotonic> site_due) {
      for (const AttemptId attempt : attempts) settle(attempt, false, site_due);
    };
    const bool settled_first = dice_.below(2) == 0;
    if (!attempts.empty() && how == Scheduler::Gone::refused && !scheduler_.has_company(id) &&
        dice_.below(3) != 0) {
      settle_all(scheduler_.site_due(id, now_));
      lines_.erase(id);
      return scheduler_.session_gone(id, how, Fixture::no_answer(), now_);
    }
    if (settled_first) settle_all({});
    lines_.erase(id);
    scheduler_.session_gone(id, how, Fixture::no_answer(), now_);
    if (!settled_first) settle_all({});
  }

  void check() {
    std::size_t waiting = 0, flying = 0, idle = 0;
    for (const auto& [number, letter] : letters_) {
      if (letter.left == 0) {
        CHECK(scheduler_.finished(number));
      } else if (!letter.forgotten) {
        CHECK_FALSE(scheduler_.finished(number));
      }
      for (const auto where : letter.where) {
        waiting += where == Where::waiting;
        flying += where == Where::attempt;
      }
    }
    for (const auto& [id, line] : lines_) idle += line.state == Line::State::idle;
    const auto load = scheduler_.load();
    CHECK(load.in_attempt == flying);
    CHECK(load.ready + load.delayed + load.resolving + load.held == waiting);
    CHECK(load.sessions == lines_.size());
    CHECK(load.idle == idle);
    std::uint64_t of_sites = 0, sessions = 0;
    for (const auto& site : scheduler_.sites()) {
      of_sites += site.recipients;
      sessions += site.sessions;
      CHECK(site.window >= 1);
      CHECK(site.window <= config_.connections_per_site);
    }
    CHECK(of_sites <= load.ready + load.delayed + load.held);
    CHECK(sessions == lines_.size());
  }

  // Left alone, it comes to an end: nobody starves.
  void drain() {
    paused_ = false;
    scheduler_.pause(false);
    while (!held_.empty()) hold(*held_.begin(), false);
    for (int i = 0; i < 20'000; ++i) {
      resolve();
      progress();
      take_all();
      std::size_t left = 0;
      for (const auto& [number, letter] : letters_) left += letter.left;
      if (left == 0) break;
      const auto wake = scheduler_.wake_at(now_);
      if (attempts_.empty() && asked_.empty() && wake)
        now_ = std::max(now_, *wake);
      else
        now_ += 100ms;
    }
    check();
    for (const auto& [number, letter] : letters_) REQUIRE(letter.left == 0);
    for (int i = 0; i < 1000 && !lines_.empty(); ++i) {
      now_ += 1s;
      progress();
      take_all();
    }
    CHECK(lines_.empty());
    CHECK(scheduler_.quiet());
    for (const auto& [number, letter] : letters_) scheduler_.forget(number);
    now_ += 24h; // every hold and every route is over
    take_all();
    take_all();
    CHECK(scheduler_.sites().empty());
    CHECK_FALSE(scheduler_.wake_at(now_));
  }

  SeededDice dice_;
  SchedulerConfig config_;
  Scheduler scheduler_;
  Monotonic now_ = Monotonic{} + 1h;
  bool paused_ = false;
  std::map<std::uint64_t, Letter> letters_;
  std::map<AttemptId, Work> attempts_;
  std::map<SessionId, Line> lines_;
  std::set<std::string> asked_;
  std::set<std::uint64_t> held_;
};

} // namespace

TEST_CASE("Whatever happens in whatever order, each recipient is settled once and no limit is broken") {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    INFO("seed " << seed);
    Model(seed).run(400);
  }
}
