#include "tests/agent/day.h"

#include "agent/queue/table.h"
#include "tests/agent/day_books.h"
#include "tests/agent/day_sites.h"
#include "tests/agent/scheduler_fixture.h"

#include <fmt/format.h>

#include <algorithm>
#include <queue>
#include <unordered_map>
#include <utility>

namespace bulkmail::agent::test {

using namespace std::chrono_literals;

namespace {

using Kind = Work::Kind;
using State = Addressee::State;
using Gone = Scheduler::Gone;

constexpr auto day = 24h;
constexpr auto life = 12h;      // of a message; longer than any Site is dead
constexpr auto greeting = 5min; // RFC 5321 §4.5.3.2.1
constexpr auto looks = 1min;    // between two looks at who waits
// A Site that could serve and has work waits no longer for its next transaction; one that was tried in vain before may have
// to wait until others of that kind, which never greet, are given up: see agent/queue/places.h.
constexpr auto longest_wait = 1min, longest_wait_again = 6min;

class Day {
 public:
  explicit Day(const DayPlan& plan)
      : plan_(plan),
        dice_(plan.seed),
        config_{.connections = 400,
                .connections_per_site = 20,
                .schedule = schedule(),
                .sources = day_sources(),
                .sites = SiteRules(day_rules())},
        sites_(make_sites(plan.sites, dice_, morning)),
        domains_(make_domains(plan.domains, sites_, dice_)),
        questions_(plan.domains),
        limits_(plan.sites, plan.domains, config_),
        scheduler_(config_, scheduler_dice_) {
    for (std::uint32_t i = 0; i < sites_.size(); ++i) site_by_host_.emplace(sites_[i].host, i);
    for (std::uint32_t i = 0; i < domains_.size(); ++i) {
      domain_by_name_.emplace(domains_[i].name, i);
      if (domains_[i].paced || sites_[domains_[i].site].has_rate()) limited_.push_back(i);
    }
  }

  DayReport run() {
    try {
      plan_the_day();
      while (!events_.empty() && (coming_ > 0 || recipients_.settled < recipients_.added)) {
        const Event event = events_.top();
        events_.pop();
        now_ = event.at;
        happen(event);
        pump();
        check();
        ++report_.steps;
        if (now_ > morning + day + life + 2h) throw Broken("the day has no end");
      }
      judge();
    } catch (const Broken& broken) {
      report_.problem = fmt::format("{} after {} s", broken.what(),
                                    std::chrono::duration_cast<std::chrono::seconds>(now_ - morning).count());
    }
    sum_up();
    return report_;
  }

 private:
  static constexpr Monotonic morning = Monotonic{} + 1h;

  static RetrySchedule schedule() { return RetrySchedule({5min, 10min, 20min, 30min, 1h}); }

  struct Event {
    enum class Kind : std::uint8_t {
      single,   // a mail to one
      post,     // to a list
      rush,     // much for one domain
      hand,     // somebody does something
      release,  // of the message that `id` is
      open_up,  // of the domain that `id` is
      look,     // who waits
      route,    // an answer for the domain that `id` is
      ready,    // the session that `id` is reaches its host
      answered, // its transaction is over
      closed,   // it is
      wake,     // the scheduler wanted to be asked
    } kind;
    Monotonic at;
    std::uint64_t order, id;

    bool operator<(const Event& other) const {
      return std::pair(at, order) > std::pair(other.at, other.order);
    }
  };

  struct Line { // a session
    std::uint32_t site;
    enum class State : std::uint8_t { opening, busy, idle, closing } state = State::opening;
    bool taken = false; // the host counts it
    std::optional<resolver::IpAddress> source{};
    Monotonic began{}; // its transaction
    Work work{};
  };

  void after(milliseconds delay, Event::Kind kind, std::uint64_t id = 0) {
    events_.push({kind, now_ + delay, ++order_, id});
  }

  milliseconds any(milliseconds most) {
    return milliseconds(dice_.below(static_cast<std::uint64_t>(most.count())));
  }

  void plan_the_day() {
    for (std::size_t i = 0; i < plan_.singles; ++i) after(any(day), Event::Kind::single);
    for (std::size_t i = 0; i < plan_.posts; ++i) after(any(day), Event::Kind::post);
    for (std::size_t i = 0; i < plan_.rushes; ++i) after(any(day), Event::Kind::rush);
    coming_ = plan_.singles + plan_.posts + plan_.rushes;
    for (auto at = 0min; at < day; at += 20min) after(at + any(20min), Event::Kind::hand);
    after(looks, Event::Kind::look);
  }

  // ---- What happens

  void happen(const Event& event) {
    switch (event.kind) {
    case Event::Kind::single: --coming_, mail(1); break;
    case Event::Kind::post: --coming_, mail(plan_.post_recipients); break;
    case Event::Kind::rush: --coming_, rush(); break;
    case Event::Kind::hand: somebody_does_something(); break;
    case Event::Kind::release: release(event.id); break;
    case Event::Kind::open_up: hold_domain(static_cast<std::uint32_t>(event.id), false); break;
    case Event::Kind::look: look(); break;
    case Event::Kind::route: answer_question(static_cast<std::uint32_t>(event.id)); break;
    case Event::Kind::ready: ready(event.id); break;
    case Event::Kind::answered: answered(event.id); break;
    case Event::Kind::closed: close(event.id); break;
    case Event::Kind::wake: break;
    }
  }

  // Some domains have much of the mail.
  std::uint32_t any_domain() {
    const double roll = dice_.fraction();
    return static_cast<std::uint32_t>(roll * roll * static_cast<double>(domains_.size()));
  }

  void mail(std::size_t count) {
    std::vector<std::uint32_t> domains(count);
    for (auto& domain : domains) domain = any_domain();
    send(std::move(domains));
  }

  // Much of it for one domain in the same moment; often for one with a rate, which has to hold it back.
  void rush() {
    const std::uint32_t domain = dice_.below(2) == 0 ? any_domain() : limited_[dice_.below(limited_.size())];
    for (std::size_t i = 0; i < plan_.rush_mails; ++i) send({domain});
    send(std::vector(plan_.rush_recipients, domain));
  }

  void send(std::vector<std::uint32_t> domains) {
    spool::EnvelopeBuilder builder;
    builder.sender(domains.size() == 1 ? "ann@example.org" : "list@example.org");
    for (std::size_t i = 0; i < domains.size(); ++i)
      builder.recipient(fmt::format("u{}@{}", i, domains_[domains[i]].name));
    spool::MessageFacts facts;
    facts.number = recipients_.letters.size() + 1;
    facts.id = fmt::format("m{}", facts.number);
    facts.envelope = builder.take();
    auto sorted = sort_by_domain(facts.envelope);
    Consignment consignment{spool::PackedFacts(std::move(facts))};
    consignment.recipients = std::move(sorted);
    consignment.until = now_ + life;
    recipients_.add(std::move(domains), consignment.until, now_);
    unfinished_.push_back(recipients_.letters.size());
    scheduler_.add(std::move(consignment), now_);
  }

  void somebody_does_something() {
    const std::uint32_t domain = any_domain();
    const std::uint64_t message = unfinished_.empty() ? 0 : unfinished_[dice_.below(unfinished_.size())];
    switch (dice_.below(6)) {
    case 0: scheduler_.flush({}, now_); return recipients_.flushed_all(now_);
    case 1: scheduler_.flush(at_site(domains_[domain].name), now_); return recipients_.flushed(domain, now_);
    case 2: hold_domain(domain, true); return after(any(2h), Event::Kind::open_up, domain);
    case 3:
    case 4:
      if (message == 0) return;
      scheduler_.hold(one_message(message), now_);
      recipients_.of(message).held = recipients_.of(message).was_held = true;
      return after(any(2h), Event::Kind::release, message);
    default:
      if (message == 0) return;
      scheduler_.cancel(one_message(message), now_);
      recipients_.of(message).cancelled = true;
      return;
    }
  }

  void hold_domain(std::uint32_t domain, bool held) {
    const Selector what = at_site(domains_[domain].name);
    held ? scheduler_.hold(what, now_) : scheduler_.release(what, now_);
    recipients_.hold_domain(domain, held, now_);
  }

  void release(std::uint64_t message) {
    scheduler_.release(one_message(message), now_);
    recipients_.of(message).held = false;
    recipients_.of(message).released = now_;
  }

  void answer_question(std::uint32_t number) {
    const DayDomain& domain = domains_[number];
    Question& question = questions_[number];
    question.asked = false;
    question.answered = now_;
    if (domain.missing) {
      resolver::RouteFailure failure;
      failure.permanent = true;
      return scheduler_.route_found(domain.name, std::unexpected(failure), now_);
    }
    if (dice_.below(50) == 0) // the name servers are away
      return scheduler_.route_found(domain.name, std::unexpected(resolver::RouteFailure{}), now_);
    question.site = domain.site_at(now_);
    scheduler_.route_found(domain.name,
                           make_route(domain.name, sites_[*question.site].host, now_ + domain.ttl), now_);
  }

  // ---- Sessions

  void pump() {
    for (;;) {
      while (auto name = scheduler_.next_wanted()) {
        const std::uint32_t domain = domain_by_name_.at(*name);
        if (std::exchange(questions_[domain].asked, true)) throw Broken("a question is asked twice");
        after(5ms + any(500ms), Event::Kind::route, domain);
      }
      while (auto work = scheduler_.next_work(now_)) perform(std::move(*work));
      const auto wake = scheduler_.wake_at(now_);
      if (!wake) return;
      if (*wake <= now_) continue;
      if (!next_wake_ || *wake < *next_wake_ || *next_wake_ <= now_) {
        next_wake_ = wake;
        after(std::chrono::ceil<milliseconds>(*wake - now_), Event::Kind::wake);
      }
      return;
    }
  }

  void perform(Work work) {
    switch (work.kind) {
    case Kind::close:
      move(line(work.session), Line::State::closing);
      return after(50ms, Event::Kind::closed, work.session);
    case Kind::give_up:
      if (line(work.session).state != Line::State::opening) throw Broken("an open session is given up");
      return refuse(work.session);
    case Kind::open: return open(std::move(work));
    case Kind::reuse: return transact(line(work.session), std::move(work));
    case Kind::site_down: {
      recipients_.taken(work, domains_, now_);
      auto& site = limits_.sites[site_of(work)];
      site.retry = std::max(site.retry, work.due);
      return answer_all(work, delayed(work.due), now_);
    }
    case Kind::unroutable:
      recipients_.taken(work, domains_, now_);
      if (work.failure->permanent) return settle_all(work, State::failed);
      return answer_all(work, own_delay(work, 0));
    case Kind::cancelled: recipients_.taken(work, domains_, now_); return settle_all(work, State::cancelled);
    case Kind::expired: recipients_.taken(work, domains_, now_); return settle_all(work, State::expired);
    }
  }

  void open(Work work) {
    const std::uint32_t number = site_by_host_.at(work.way->hosts.front().name);
    const DaySite& site = sites_[number];
    const SessionId id = work.session;
    ++report_.sessions;
    look_at_first(work);
    limits_.opened(number, site, now_);
    if (report_.sessions % window_sample == 0) check_window(number);
    Line& line = lines_.emplace(id, Line{.site = number}).first->second;
    take(line, std::move(work));
    after(site.habit == Habit::silent ? greeting : site.connect, Event::Kind::ready, id);
  }

  void take(Line& line, Work work) {
    recipients_.taken(work, domains_, now_);
    const std::uint32_t domain = domain_by_name_.at(work.way->domain);
    limits_.sent(line.site, sites_[line.site], domain, domains_[domain].paced, work.recipients.size(), now_);
    line.source = line.source.value_or(work.source.value());
    if (*line.source != work.source) throw Broken("a session has two addresses");
    limits_.sent_from(*line.source, work.recipients.size(), now_);
    ++report_.transactions;
    line.work = std::move(work);
  }

  void ready(SessionId id) {
    const auto found = lines_.find(id);
    if (found == lines_.end()) return; // it was given up
    Line& opened = found->second;
    DaySite& site = sites_[opened.site];
    if (site.habit == Habit::silent || site.dead(now_) || site.refuses(now_) || site.taken >= site.limit())
      return refuse(id);
    ++site.taken;
    opened.taken = true;
    move(opened, Line::State::busy);
    scheduler_.session_established(id, now_);
    begin(opened);
  }

  void transact(Line& reused, Work work) {
    if (reused.state != Line::State::idle) throw Broken("a session is used that is not idle");
    look_at_first(work);
    move(reused, Line::State::busy);
    take(reused, std::move(work));
    begin(reused);
  }

  void begin(Line& busy) {
    busy.began = now_;
    const milliseconds usual = sites_[busy.site].transaction;
    after(usual * 3 / 4 + any(usual / 2), Event::Kind::answered, busy.work.session);
  }

  void answered(SessionId id) {
    Line& busy = line(id);
    const DaySite& site = sites_[busy.site];
    if (site.refuses(now_)) return refuse(id);
    if (site.dead(now_)) { // the connection is lost
      answer_all(busy.work, own_delay(busy.work, 0));
      return lose(id, Gone::closed);
    }
    limits_.answered(busy.site, now_);
    judge_recipients(busy);
    if (site.habit == Habit::single) return lose(id, Gone::closed);
    move(busy, Line::State::idle);
    scheduler_.session_free(id, now_);
  }

  // Nobody is there, or does not want it.
  void refuse(SessionId id) {
    ++report_.refused;
    Line& refused = line(id);
    if (scheduler_.has_company(id)) {
      answer_all(refused.work, again, now_);
    } else {
      const Monotonic due = scheduler_.site_due(id, now_);
      limits_.down(refused.site, due);
      answer_all(refused.work, delayed(due), now_);
    }
    lose(id, Gone::refused);
  }

  void lose(SessionId id, Gone how) {
    const auto found = lines_.find(id);
    Line& lost = found->second;
    count(lost, -1);
    ++limits_.sites[lost.site].ends;
    if (lost.taken) --sites_[lost.site].taken;
    rest(lost.site);
    lines_.erase(found);
    scheduler_.session_gone(id, how, how == Gone::refused ? Fixture::no_answer() : nullptr, now_);
  }

  void close(SessionId id) { lose(id, Gone::closed); }

  Line& line(SessionId id) {
    const auto found = lines_.find(id);
    if (found == lines_.end()) throw Broken("a session that is none");
    return found->second;
  }

  std::uint32_t& counter(LimitBooks::Sessions& of, Line::State state) {
    switch (state) {
    case Line::State::opening: return of.opening;
    case Line::State::busy: return of.busy;
    case Line::State::idle: return of.idle;
    case Line::State::closing: break;
    }
    return of.closing;
  }

  void count(const Line& line, int by) {
    counter(limits_.sites[line.site].sessions, line.state) += static_cast<std::uint32_t>(by);
    counter(limits_.total, line.state) += static_cast<std::uint32_t>(by);
  }

  void move(Line& line, Line::State to) {
    if (to == Line::State::closing && line.state != Line::State::idle)
      throw Broken("a session is closed that is not idle");
    count(line, -1);
    line.state = to;
    count(line, +1);
    rest(line.site);
  }

  void rest(std::uint32_t site) {
    auto& of = limits_.sites[site];
    if (of.sessions.opening + of.sessions.busy == 0) of.idle_since = now_;
  }

  // ---- What becomes of recipients

  std::uint32_t site_of(const Work& work) {
    const Letter& letter = recipients_.of(work.message);
    const std::uint32_t domain = letter.addressees[work.recipients.front()].domain;
    return questions_[domain].site.value_or(domains_[domain].site);
  }

  Disposition own_delay(const Work& work, std::size_t place) {
    return delayed(now_ + config_.schedule.delay(work.attempts[place] + 1U, dice_));
  }

  void settle_all(const Work& work, State how) {
    Letter& letter = recipients_.of(work.message);
    for (const auto i : work.recipients) recipients_.settle(letter, letter.addressees[i], how);
    scheduler_.settle(work.attempt, std::vector(work.recipients.size(), done), now_);
  }

  // `from`: when they may be tried again, if that may be earlier than they are told.
  void answer_all(const Work& work, Disposition disposition, std::optional<Monotonic> from = {}) {
    Letter& letter = recipients_.of(work.message);
    const Monotonic due = disposition.kind == Disposition::Kind::again ? now_ : disposition.due;
    for (const auto i : work.recipients)
      recipients_.put_back(letter.addressees[i], from.value_or(due), due, now_);
    scheduler_.settle(work.attempt, std::vector(work.recipients.size(), disposition), now_);
  }

  void judge_recipients(const Line& line) {
    const DaySite& site = sites_[line.site];
    const Work& work = line.work;
    Letter& letter = recipients_.of(work.message);
    std::vector<Disposition> dispositions;
    dispositions.reserve(work.recipients.size());
    for (std::size_t i = 0; i < work.recipients.size(); ++i) {
      Addressee& addressee = letter.addressees[work.recipients[i]];
      const auto mailbox = hash_of(work.message << 20 | work.recipients[i]) % 100;
      if (addressee.first_seen == Monotonic{}) addressee.first_seen = now_;
      Disposition disposition = done;
      if (site.habit == Habit::choosy && i >= choosy_recipients) {
        disposition = again;
      } else if (site.habit == Habit::grey && now_ < addressee.first_seen + grey_time) {
        disposition = own_delay(work, i);
      } else if (mailbox < 2 && ++addressee.tries < 3) { // it is full for a while
        disposition = own_delay(work, i);
      }
      dispositions.push_back(disposition);
      if (disposition.kind == Disposition::Kind::done) {
        recipients_.settle(letter, addressee, mailbox == 99 ? State::failed : State::relayed);
      } else {
        const Monotonic due = disposition.kind == Disposition::Kind::again ? now_ : disposition.due;
        recipients_.put_back(addressee, due, due, now_);
      }
    }
    scheduler_.settle(work.attempt, dispositions, now_, Pace{.end_of_data = now_ - line.began});
  }

  // ---- What must hold

  void check() {
    const auto load = scheduler_.load();
    const std::uint64_t waiting = recipients_.added - recipients_.settled - recipients_.in_attempt;
    if (load.ready + load.delayed + load.resolving + load.held != waiting)
      throw Broken(fmt::format("{} recipients wait, the scheduler knows of {}", waiting,
                               load.ready + load.delayed + load.resolving + load.held));
    if (load.in_attempt != recipients_.in_attempt) throw Broken("recipients in attempts are miscounted");
    if (load.sessions != limits_.total.all() || load.idle != limits_.total.idle)
      throw Broken("sessions are miscounted");
    if (load.sessions > config_.connections) throw Broken("too many sessions");
  }

  void check_window(std::uint32_t number) {
    const auto views = scheduler_.sites();
    const auto view =
        std::ranges::find_if(views, [&](const auto& of) { return of.hosts.front() == sites_[number].host; });
    if (view == views.end()) throw Broken("a Site with a session is not in the list");
    const auto& sessions = limits_.sites[number].sessions;
    if (sessions.all() - sessions.closing > view->window)
      throw Broken(fmt::format("{} has more sessions than its window", sites_[number].host));
  }

  // Whoever waits though its Site could serve it.
  void look() {
    std::erase_if(unfinished_, [&](std::uint64_t message) {
      Letter& letter = recipients_.of(message);
      std::erase_if(letter.live, [&](std::uint32_t i) {
        const State state = letter.addressees[i].state;
        return state != State::waiting && state != State::attempt;
      });
      for (const std::uint32_t i : letter.live) look_at(letter, letter.addressees[i]);
      return letter.left == 0;
    });
    after(looks, Event::Kind::look);
  }

  void look_at_first(const Work& work) {
    const Letter& letter = recipients_.of(work.message);
    look_at(letter, letter.addressees[work.recipients.front()]);
  }

  // How long its Site, which could, has not served this recipient or any other.
  void look_at(const Letter& letter, const Addressee& addressee) {
    if (addressee.state != State::waiting) return;
    const auto overdue = recipients_.overdue(letter, addressee);
    const Question& question = questions_[addressee.domain];
    if (!overdue || question.asked) return;
    const std::uint32_t number = question.site.value_or(domains_[addressee.domain].site);
    const auto& site = limits_.sites[number];
    if (site.sessions.opening + site.sessions.busy > 0 || !sites_[number].serves(now_)) return;
    const Monotonic since = std::max({*overdue, question.answered, site.retry, site.idle_since});
    if (since >= now_) return;
    const auto waited = std::chrono::floor<milliseconds>(now_ - since);
    const bool tried_in_vain = site.was_down && site.first_answer == Monotonic{};
    auto& longest = tried_in_vain ? report_.longest_wait_again_ms : report_.longest_wait_ms;
    longest = std::max(longest, std::int64_t{waited.count()});
    if (waited > (tried_in_vain ? longest_wait_again : longest_wait))
      throw Broken(fmt::format("{} starves: it waits for {} s", sites_[number].host, waited / 1s));
  }

  // In the end everybody is where their Site deserves.
  void judge() {
    if (recipients_.settled != recipients_.added) throw Broken("nothing happens any more, and some wait");
    for (const Letter& letter : recipients_.letters) {
      for (const Addressee& addressee : letter.addressees) judge(letter, addressee);
    }
  }

  void judge(const Letter& letter, const Addressee& addressee) {
    const DayDomain& domain = domains_[addressee.domain];
    const DaySite& site = sites_[domain.site];
    const bool excused =
        site.hopeless() || site.overworked() || letter.was_held || recipients_.ever_held(addressee.domain);
    switch (addressee.state) {
    case State::waiting:
    case State::attempt: throw Broken("a recipient is left");
    case State::relayed:
      ++report_.relayed;
      if (domain.missing || site.hopeless()) throw Broken("mail got where it could not");
      return;
    case State::failed: ++report_.failed; return;
    case State::expired:
      ++report_.expired;
      if (!excused) throw Broken(fmt::format("mail to {} expired", site.host));
      return;
    case State::cancelled:
      ++report_.cancelled;
      if (!letter.cancelled) throw Broken("mail was cancelled that nobody cancelled");
      return;
    }
  }

  void sum_up() {
    report_.messages = recipients_.letters.size();
    report_.recipients = recipients_.added;
    report_.most_at_return = limits_.most_at_return;
    report_.virtual_hours = std::chrono::duration_cast<std::chrono::hours>(now_ - morning).count();
  }

  struct Question {
    bool asked = false;
    Monotonic answered{};
    std::optional<std::uint32_t> site; // of the last route
  };

  static constexpr std::uint64_t window_sample =
      500; // of the sessions opened: the list of all Sites takes time

  const DayPlan plan_;
  SeededDice dice_;
  SeededDice scheduler_dice_{plan_.seed + 1};
  SchedulerConfig config_;
  std::vector<DaySite> sites_;
  std::vector<DayDomain> domains_;
  std::unordered_map<std::string, std::uint32_t> site_by_host_, domain_by_name_;
  std::vector<std::uint32_t> limited_; // domains with a rate, or at a Site with one
  std::vector<Question> questions_;
  RecipientBooks recipients_;
  std::vector<std::uint64_t> unfinished_; // messages, when last looked at
  LimitBooks limits_;
  Scheduler scheduler_;
  Monotonic now_ = morning;
  std::priority_queue<Event> events_;
  std::uint64_t order_ = 0;
  std::size_t coming_ = 0; // mail
  std::optional<Monotonic> next_wake_;
  std::unordered_map<SessionId, Line> lines_;
  DayReport report_;
};

} // namespace

DayReport live(const DayPlan& plan) { return Day(plan).run(); }

} // namespace bulkmail::agent::test
