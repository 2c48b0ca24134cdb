#include "agent/run/engine.h"

#include "agent/run/log_line.h"

#include <fmt/format.h>

#include <algorithm>

namespace bulkmail::agent {

using spool::Action;
using spool::LedgerHealth;
using spool::Source;

namespace {

constexpr milliseconds memory_check{500};
constexpr milliseconds warmup_check{60'000};
constexpr milliseconds tls_check{60'000}; // what a crash loses of the counts
// Domains of which it is remembered whose they are.
constexpr std::size_t most_owners = 100'000;

spool::LedgerConfig ledger_config(const Config& config) {
  spool::LedgerConfig ledger;
  ledger.reporting_mta = config.hostname;
  ledger.detail = config.status.detail;
  ledger.files = config.status.files;
  ledger.status_interval = config.status.interval;
  ledger.status_keep = config.status.keep;
  ledger.results_rotate = config.results.rotate;
  ledger.results_keep = config.results.keep;
  ledger.expire = config.retry.expire;
  ledger.dsn = config.retry.dsn;
  return ledger;
}

Consignment consignment_of(const spool::Message& message, Now now) {
  Consignment consignment(message.packed());
  consignment.expires = message.expires();
  consignment.until = now.mono + (message.expires() - now.wall);
  return consignment;
}

// The office asks for what TLS reports need alone.
resolver::ResolverConfig reporter_resolver(const WorkerSettings& settings) {
  auto config = resolver_config(settings, 0);
  config.dane = false;
  config.cache_entries = 1000;
  config.sockets = 50;
  return config;
}

} // namespace

Engine::Engine(Seams seams, spool::Disk& disk, Dice& dice, EngineSettings settings, const MakeCrew& make_crew)
    : seams_(seams),
      disk_(disk),
      settings_(std::move(settings)),
      ledger_(disk, ids_, ledger_config(config())),
      intake_(disk, ids_, config().hostname, seams.clock, seams.pool, timers_, *this),
      lmtp_(disk, ids_, transport::LmtpConfig{config().hostname}, seams.clock, seams.pool, dice,
            [this](const std::string& name) { intake_.hint(name); }),
      admin_([this](const Request& request, std::shared_ptr<Reply> reply) {
        answer(request, std::move(reply));
      }),
      order_file_(disk, seams.pool, ledger_),
      warmup_file_(disk, seams.pool, seams.log),
      sts_file_(disk, seams.pool, seams.log, seams.clock, timers_),
      tls_reporter_(seams, disk, dice, timers_, config(), reporter_resolver(settings_.worker),
                    [this](std::string name) { intake_.hint(std::move(name)); }),
      ledger_alarm_(timers_, [] {}),
      foresight_alarm_(timers_, [] {}),
      rescan_alarm_(timers_, [this] { rescan(); }),
      end_alarm_(timers_, [this] { cut(); }),
      max_time_alarm_(timers_, [this] { stop(); }),
      memory_alarm_(timers_, [this] { watch_memory(); }),
      warmup_alarm_(timers_, [this] { watch_warmup(); }),
      tls_alarm_(timers_, [this] { watch_tls(); }) {
  const Now now = seams_.clock.now();
  started_ = now.mono;
  started_wall_ = now.wall;
  standings_.resize(settings_.worker.workers);
  Worker::Office& office = *this;
  crew_ = make_crew ? make_crew(settings_.worker, office)
                    : std::make_unique<LocalCrew>(settings_.worker.workers, seams, disk, dice,
                                                  settings_.worker, office);
  rescan();
}

Engine::~Engine() = default;

spool::Result<void> Engine::recover() {
  const Now now = seams_.clock.now();
  if (auto read = order_file_.recover(); !read) return read; // else mail might go out that is held
  auto recovered = ledger_.recover(now.wall);
  if (!recovered) return std::unexpected(recovered.error());
  for (const auto& warning : recovered->warnings) say(seams_.log, Level::warning, "recovery", warning);
  if (!recovered->messages.empty() && seams_.log.wants(Level::info)) {
    LogLine(seams_.log, "recovered").add("messages", recovered->messages.size()).write(Level::info);
  }
  restore_holds();
  auto warmup = warmup_file_.recover(config().warming());
  if (!warmup) return std::unexpected(warmup.error());
  tell_all([states = *std::move(warmup)](Worker& worker) { worker.restore_warmup(states); });
  watch_warmup();
  tell_all([policies = std::make_shared<const StsKeptByDomain>(sts_file_.recover())](Worker& worker) {
    for (const auto& [domain, policy] : *policies) worker.restore_policy(domain, policy);
  });
  if (auto read = tls_reporter_.recover(); !read) return read;
  watch_tls();
  for (auto& message : recovered->messages) {
    newest_ = std::max(newest_, message->number());
    fail_cancelled(*message, now);
    if (message->final()) { // told of already or about to be; only its closing is left
      const std::uint64_t number = message->number();
      messages_.insert(number, std::move(message));
      continue;
    }
    adopt(std::move(message), now);
  }
  forget_done_orders();
  return {};
}

// Recipients that were delayed wait on, at most for the schedule's longest step, whatever the wall clock did meanwhile.
void Engine::adopt(std::unique_ptr<spool::Message> owned, Now now) {
  spool::Message& message = *owned;
  messages_.insert(message.number(), std::move(owned));
  const milliseconds longest = RetrySchedule(config().retry.schedule).longest();
  Consignment consignment = consignment_of(message, now);
  consignment.attempt_first = true;
  std::vector<std::uint32_t> left;
  for (std::uint32_t i = 0; i < message.recipients(); ++i) {
    if (spool::is_final(message.action(i))) continue;
    left.push_back(i);
    if (message.attempts(i) == 0 && message.action(i) != Action::delayed) continue;
    const auto next = message.action(i) == Action::delayed
                          ? message.outcome(i)->next_attempt_date().value_or(now.wall)
                          : now.wall;
    const milliseconds wait = std::clamp(next - now.wall, milliseconds{0}, longest);
    consignment.restored.push_back({i, message.attempts(i), now.mono + wait});
  }
  consignment.recipients = sort_by_domain(message.facts()->envelope, left);
  fail_malformed(message, consignment.recipients.malformed, now); // they were claimed just before a crash
  if (message.final()) return;
  consign(std::move(consignment), nullptr);
}

void Engine::claimed(spool::Claimed claimed, WireContent content, SortedRecipients recipients) {
  const Now now = seams_.clock.now();
  const spool::MessageFacts& facts = *claimed.facts;
  const Wall expires = facts.arrival_date + config().retry.expire;
  auto owned = std::make_unique<spool::Message>(std::move(claimed.packed), expires);
  spool::Message& message = *owned;
  newest_ = std::max(newest_, message.number());
  messages_.insert(facts.number, std::move(owned));
  ledger_.begin(message, now);
  if (seams_.log.wants(Level::info)) {
    LogLine(seams_.log, "claimed")
        .add("id", facts.id)
        .add("sender", facts.envelope.sender())
        .add("recipients", facts.envelope.size())
        .add("size", facts.size)
        .write(Level::info);
  }
  fail_malformed(message, recipients.malformed, now);
  if (message.final()) return;
  Consignment consignment = consignment_of(message, now);
  consignment.recipients = std::move(recipients);
  consign(std::move(consignment), content);
}

// Each worker gets those recipients whose domains are its own.
void Engine::consign(Consignment whole, const WireContent& content) {
  const auto hand_over = [&](std::size_t worker, Consignment part) {
    auto held = std::make_shared<Consignment>(std::move(part)); // std::function wants copies
    tell(worker, [held, content](Worker& one) { one.consign(std::move(*held), content); });
  };
  const std::size_t workers = crew_->size();
  if (workers == 1) return hand_over(0, std::move(whole));

  std::vector<Consignment> parts(workers, Consignment(whole.facts));
  std::vector<std::size_t> home(whole.facts.recipients()); // of each recipient
  for (auto& group : whole.recipients.groups) {
    const std::size_t worker = owner_of(group.domain);
    auto& sorted = parts[worker].recipients;
    const auto begin = static_cast<std::uint32_t>(sorted.order.size());
    for (std::uint32_t i = group.begin; i < group.end; ++i) {
      sorted.order.push_back(whole.recipients.order[i]);
      home[sorted.order.back()] = worker;
    }
    sorted.groups.push_back({std::move(group.domain), std::move(group.error), begin,
                             static_cast<std::uint32_t>(sorted.order.size())});
    sorted.one_by_one = whole.recipients.one_by_one;
  }
  for (const auto& one : whole.restored) parts[home[one.recipient]].restored.push_back(one);
  for (std::size_t worker = 0; worker < workers; ++worker) {
    Consignment& part = parts[worker];
    if (part.recipients.order.empty()) continue;
    part.expires = whole.expires;
    part.until = whole.until;
    part.attempt_first = whole.attempt_first;
    hand_over(worker, std::move(part));
  }
}

// The worker that is known to have a domain, or the one to find out.
std::size_t Engine::owner_of(const std::string& domain) const {
  const auto known = owners_.find(domain);
  return known != owners_.end() ? known->second : worker_for(domain, crew_->size());
}

void Engine::tell(std::size_t worker, Worker::Instruction instruction) {
  ++standings_[worker].told;
  crew_->tell(worker, std::move(instruction));
}

void Engine::tell_all(const Worker::Instruction& instruction) {
  for (std::size_t worker = 0; worker < crew_->size(); ++worker) tell(worker, instruction);
}

// One bad address never holds up a list: it fails alone.
void Engine::fail_malformed(spool::Message& message, const std::vector<std::uint32_t>& malformed, Now now) {
  if (malformed.empty()) return;
  auto outcome = transport::local_outcome(Action::failed, Source::local, "5.1.3",
                                          "not a valid address (RFC 5321 section 4.1.2)", now.wall);
  outcome.attempted = false;
  progress_.failed += malformed.size();
  ledger_.settle(message, malformed, std::move(outcome), now);
}

void Engine::refused(spool::Refused refused) {
  if (seams_.log.wants(Level::warning)) {
    LogLine(seams_.log, "refused")
        .add("id", refused.id)
        .add("name", refused.name)
        .add("code", refused.problem.code)
        .add("text", refused.problem.text)
        .write(Level::warning);
  }
  ledger_.refused(refused, seams_.clock.now());
}

void Engine::attention(std::string_view name, std::string_view text) {
  if (seams_.log.wants(Level::warning)) {
    LogLine(seams_.log, "left in new").add("name", name).add("text", text).write(Level::warning);
  }
}

void Engine::disk_trouble(const spool::Error& error) {
  say(seams_.log, Level::error, "claiming paused", error.text);
}

std::optional<Monotonic> Engine::turn() {
  const Now now = seams_.clock.now();
  timers_.advance(now.mono);
  watch_health();
  std::optional<Monotonic> next;
  if (!failed()) {
    intake_.turn();
    lmtp_.turn();
    next = crew_->turn();
  }
  const bool reporting = tls_reporter_.turn();
  run_answers();
  run_orders();
  admin_.turn();
  foresight_alarm_.set(foresee_statuses(now));
  run_ledger(now);
  let_go();
  watch_end();
  ledger_alarm_.set(ledger_.deadline());
  if (reporting || !answers_.empty() || !orders_.empty() || intake_.has_answers()) return now.mono;
  const auto own = timers_.deadline();
  return next && own ? std::min(next, own) : next ? next : own;
}

// ---- What workers tell

void Engine::settled(std::uint64_t number, std::vector<Settlement::Group> groups) {
  const Now now = seams_.clock.now();
  spool::Message* message = open_message(number);
  if (message == nullptr) return;
  for (auto& group : groups) {
    switch (group.outcome.action) {
    case Action::relayed:
    case Action::delivered: progress_.relayed += group.recipients.size(); break;
    case Action::failed: progress_.failed += group.recipients.size(); break;
    case Action::delayed: progress_.delayed += group.recipients.size(); break;
    case Action::queued: break;
    }
    ledger_.settle(*message, group.recipients, std::move(group.outcome), now);
  }
}

// Each keeps the last reply that it had.
void Engine::expired(std::uint64_t number, std::vector<std::uint32_t> recipients) {
  const Now now = seams_.clock.now();
  spool::Message* message = open_message(number);
  if (message == nullptr) return;
  progress_.failed += recipients.size();
  std::ranges::stable_sort(recipients, {}, [&](std::uint32_t one) { return message->outcome(one); });
  for (std::size_t begin = 0; begin < recipients.size();) {
    const spool::SharedOutcome* last = message->outcome(recipients[begin]);
    std::size_t end = begin + 1;
    while (end < recipients.size() && message->outcome(recipients[end]) == last) ++end;
    spool::Outcome outcome = last != nullptr ? last->whole() : spool::Outcome{};
    if (last == nullptr) outcome.diagnostic_code = "x-bulkmail; its time was over before it could be tried";
    outcome.action = Action::failed;
    outcome.source = Source::expired;
    outcome.status = "4.4.7"; // RFC 3463: delivery time expired
    outcome.attempted = false;
    outcome.next_attempt_date.reset();
    outcome.will_retry_until.reset();
    if (seams_.log.wants(Level::info)) {
      LogLine(seams_.log, "expired")
          .add("id", message->id())
          .add("recipients", end - begin)
          .add("first", message->facts()->envelope.recipient(recipients[begin]).address)
          .add("reply", outcome.diagnostic_code)
          .write(Level::info);
    }
    std::vector<std::uint32_t> alike(recipients.begin() + static_cast<std::ptrdiff_t>(begin),
                                     recipients.begin() + static_cast<std::ptrdiff_t>(end));
    std::ranges::sort(alike);
    ledger_.settle(*message, alike, std::move(outcome), now);
    begin = end;
  }
}

void Engine::condemned(std::uint64_t number, ContentProblem problem) {
  spool::Message* message = open_message(number);
  if (message == nullptr) return;
  if (seams_.log.wants(Level::error)) {
    LogLine(seams_.log, "condemned").add("id", message->id()).add("text", problem.text).write(Level::error);
  }
  condemned_.insert(number);
  ledger_.condemn(*message, {spool::DropProblem::Kind::refused, "changed", std::move(problem.text), 0},
                  seams_.clock.now());
  tell_all([number](Worker& worker) { worker.abandon(number); });
}

void Engine::handed_over(std::size_t to, const std::string& domain, std::vector<Consignment> mail) {
  if (owners_.size() >= most_owners) owners_.clear(); // they are found out again
  owners_.insert_or_assign(domain, to);
  std::erase_if(mail, [&](const Consignment& one) { return fail_if_cancelled(domain, one); });
  auto held = std::make_shared<std::vector<Consignment>>(std::move(mail));
  tell(to, [domain, held](Worker& worker) { worker.adopt(domain, std::move(*held)); });
}

void Engine::learned(std::size_t worker, const std::string& domain, const StsKept& policy) {
  sts_file_.keep(domain, policy);
  for (std::size_t other = 0; other < crew_->size(); ++other) {
    if (other != worker) tell(other, [domain, policy](Worker& of) { of.restore_policy(domain, policy); });
  }
}

void Engine::reported(std::size_t worker, const WorkerReport& report) { standings_[worker].report = report; }

void Engine::post(std::function<void()> answer) { answer(); }

spool::Message* Engine::open_message(std::uint64_t number) {
  const auto* const found = messages_.find(number);
  return found == nullptr || condemned_.contains(number) ? nullptr : found->get();
}

bool Engine::workers_are_quiet() const {
  return std::ranges::all_of(standings_, [](const Standing& standing) {
    return standing.told == standing.report.obeyed && standing.report.quiet;
  });
}

bool Engine::workers_have_no_sessions() const {
  return std::ranges::all_of(standings_, [](const Standing& standing) {
    return standing.told == standing.report.obeyed && standing.report.sessions == 0;
  });
}

Scheduler::Load Engine::load() const {
  Scheduler::Load load;
  for (const auto& [told, report] : standings_) {
    load.sessions += report.load.sessions;
    load.idle += report.load.idle;
    load.ready += report.load.ready;
    load.delayed += report.load.delayed;
    load.resolving += report.load.resolving;
    load.held += report.load.held;
    load.in_attempt += report.load.in_attempt;
  }
  return load;
}

// ---- The books

void Engine::run_ledger(Now now) {
  while (auto job = ledger_.next_job(now)) {
    auto held =
        std::make_shared<std::unique_ptr<spool::LedgerJob>>(std::move(job)); // std::function wants copies
    seams_.pool.run([held] { (*held)->run(); },
                    [this, held] { ledger_.finish(std::move(*held), seams_.clock.now()); });
  }
}

void Engine::let_go() {
  for (std::string& notice : ledger_.take_dropped()) intake_.hint(std::move(notice));
  bool ordered = false;
  for (const std::uint64_t number : ledger_.take_closed()) {
    messages_.erase(number);
    condemned_.erase(number);
    ordered |= order_file_.orders().forget(number);
  }
  if (ordered) order_file_.save();
}

// A full or read-only spool takes no mail and lets no dot out; it goes on by itself.
void Engine::watch_health() {
  const auto& health = ledger_.health();
  const bool good = health.state == LedgerHealth::State::good;
  if (health.state != known_health_) {
    known_health_ = health.state;
    tell_all([good](Worker& worker) { worker.spool_is_good(good); });
    switch (health.state) {
    case LedgerHealth::State::good: say(seams_.log, Level::warning, "spool well again", health.text); break;
    case LedgerHealth::State::full:
      say(seams_.log, Level::error, "spool full, deliveries paused", health.text);
      break;
    case LedgerHealth::State::read_only:
      say(seams_.log, Level::error, "spool read-only, deliveries paused", health.text);
      break;
    case LedgerHealth::State::broken:
      say(seams_.log, Level::error, "spool broken, stopping: restart to replay the journal", health.text);
      stop_now();
      break;
    }
  }
  const bool open = good && !stopping_ && !memory_is_full_;
  intake_.pause(!open);
  lmtp_.can_accept(open);
}

// Above the limit drops stay in new/ and LMTP clients are asked to come back.
void Engine::watch_memory() {
  const std::uint64_t limit = config().agent.memory;
  if (limit == 0 || !memory_report_) {
    memory_is_full_ = false;
    return;
  }
  const bool full = memory_report_() > limit;
  if (full != memory_is_full_) {
    say(seams_.log, Level::warning, full ? "memory full, intake waits" : "memory free again, intake goes on",
        "agent.memory");
  }
  memory_is_full_ = full;
  memory_alarm_.set(seams_.clock.now().mono + memory_check);
}

// Now and then: where an address has begun with one worker, its first day has begun with all.
void Engine::watch_warmup() {
  if (stopping_ || config().warming().empty()) return;
  ask_warmup([this](const WarmupStates& states) {
    if (stopping_) return;
    tell_all([states](Worker& worker) { worker.restore_warmup(states); });
    warmup_file_.keep(states);
  });
  warmup_alarm_.set(seams_.clock.now().mono + warmup_check);
}

void Engine::ask_warmup(std::function<void(const WarmupStates&)> then) {
  ask_all<WarmupStates>([](Worker& worker) { return worker.warmup(); },
                        [then = std::move(then)](std::vector<WarmupStates> parts) {
                          WarmupStates all;
                          for (const WarmupStates& part : parts) merge(all, part);
                          then(all);
                        });
}

// Now and then: what the workers counted comes together, and reports that are due go out.
void Engine::watch_tls() {
  if (stopping_) return;
  ask_tls([this](const TlsDays& days) {
    tls_reporter_.count(days);
    if (!stopping_) tls_reporter_.check();
  });
  if (config().tlsrpt.on()) tls_alarm_.set(seams_.clock.now().mono + tls_check);
}

void Engine::ask_tls(std::function<void(const TlsDays&)> then) {
  ask_all<TlsDays>([](Worker& worker) { return worker.take_tls_days(); },
                   [then = std::move(then)](const std::vector<TlsDays>& parts) {
                     TlsDays all;
                     for (const TlsDays& part : parts) add(all, part);
                     then(all);
                   });
}

void Engine::drain(Drain drain) {
  drain_ = drain;
  intake_.rescan();
  if (drain.force) tell_all([](Worker& worker) { worker.flush({}); });
  if (drain.max_time) max_time_alarm_.set(started_ + *drain.max_time);
}

void Engine::watch_end() {
  if (drain_ && !stopping_ && intake_.idle() && lmtp_.idle() && workers_are_quiet() &&
      tls_reporter_.quiet()) {
    if (ledger_.owes_notices())
      ledger_.hurry(); // what senders are to be told goes out in this pass
    else
      stop();
  }
  if (stopping_ && workers_have_no_sessions()) ledger_.hurry();
}

void Engine::stop() {
  if (std::exchange(stopping_, true)) return;
  intake_.pause(true);
  lmtp_.stop();
  end_alarm_.set(seams_.clock.now().mono + config().stop_timeout);
  tell_all([](Worker& worker) { worker.stop(); });
  sts_file_.close();
  ask_warmup([this](const WarmupStates& states) {
    warmup_file_.close(states);
    warmup_closed_ = true;
  });
  ask_tls([this](const TlsDays& days) {
    tls_reporter_.close(days);
    tls_closed_ = true;
  });
}

// What is not past its end of data by now is tried again at the next start.
void Engine::cut() {
  tell_all([](Worker& worker) { worker.cut(); });
  if (known_health_ != LedgerHealth::State::good) at_once_ = true; // nothing more can be recorded
}

void Engine::rescan() {
  intake_.rescan();
  rescan_alarm_.set(seams_.clock.now().mono + config().spool.rescan);
}

void Engine::stop_now() {
  stop();
  at_once_ = true;
}

bool Engine::failed() const { return ledger_.health().state == LedgerHealth::State::broken; }

bool Engine::over() const {
  if (!stopping_) return false;
  if (at_once_) return true;
  return workers_have_no_sessions() && intake_.idle() && lmtp_.idle() && ledger_.idle() &&
         order_file_.idle() && warmup_closed_ && warmup_file_.idle() && sts_file_.idle() && tls_closed_ &&
         tls_reporter_.idle();
}

void Engine::dropped(std::string name) {
  if (name.empty())
    intake_.rescan();
  else
    intake_.hint(std::move(name));
}

void Engine::admin_client(std::unique_ptr<Channel> channel) { admin_.accept(std::move(channel)); }

void Engine::lmtp_client(std::unique_ptr<Channel> channel) { lmtp_.accept(std::move(channel)); }

void Engine::flush() {
  intake_.rescan();
  tell_all([](Worker& worker) { worker.flush({}); });
}

void Engine::reload(const Config& config, std::shared_ptr<const transport::TlsContexts> tls) {
  settings_.worker.config = config;
  ledger_.set_config(ledger_config(config));
  tell_all([config, tls = std::move(tls)](Worker& worker) { worker.reload(config, tls); });
  tls_reporter_.set(config);
  watch_warmup();
  watch_tls();
  watch_memory();
}

Engine::Progress Engine::progress() const {
  Progress progress = progress_;
  const auto all = load();
  progress.left = all.ready + all.delayed + all.resolving + all.held + all.in_attempt;
  return progress;
}

} // namespace bulkmail::agent
