#include "agent/run/engine.h"

#include "agent/run/log_line.h"

#include <fmt/format.h>

#include <algorithm>

namespace bulkmail::agent {

using spool::Action;
using spool::LedgerHealth;
using spool::Source;

namespace {

// Work started in one turn, so that a turn stays short whatever waits.
constexpr int work_a_turn = 256;

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
  return ledger;
}

SchedulerConfig scheduler_config(const EngineSettings& settings) {
  const auto& smtp = settings.config.smtp;
  return {std::min(smtp.connections, settings.most_connections), smtp.connections_per_site,
          smtp.recipients_per_transaction, smtp.idle};
}

resolver::ResolverConfig resolver_config(const EngineSettings& settings) {
  resolver::ResolverConfig config;
  config.servers = settings.servers;
  config.timeout = settings.config.resolver.timeout;
  config.attempts = static_cast<int>(settings.config.resolver.attempts);
  config.hostname = settings.config.hostname;
  config.own_addresses = settings.own_addresses;
  config.allow_private = settings.config.smtp.private_targets == Config::Smtp::PrivateTargets::allow;
  config.ipv6 = settings.ipv6;
  config.sockets = settings.most_questions;
  return config;
}

Settler make_settler(const Config& config, Dice& dice) {
  return Settler(RetrySchedule(config.retry.schedule),
                 config.retry.indeterminate == Config::Retry::Indeterminate::retry, dice);
}

} // namespace

Engine::Engine(Seams seams, spool::Disk& disk, Dice& dice, EngineSettings settings)
    : seams_(seams),
      disk_(disk),
      dice_(dice),
      settings_(std::move(settings)),
      ledger_(disk, ids_, ledger_config(settings_.config)),
      scheduler_(scheduler_config(settings_), dice),
      settler_(make_settler(settings_.config, dice)),
      dns_(resolver_config(settings_), dice, seams.clock, seams.network, timers_),
      contents_(disk, seams.pool),
      intake_(disk, ids_, settings_.config.hostname, seams.clock, seams.pool, timers_, *this),
      lmtp_(disk, ids_, transport::LmtpConfig{settings_.config.hostname}, seams.clock, seams.pool, dice,
            [this](const std::string& name) { intake_.hint(name); }),
      admin_([this](const Request& request) { return answer(request); }),
      scheduler_alarm_(timers_, [] {}),
      ledger_alarm_(timers_, [] {}),
      rescan_alarm_(timers_, [this] { rescan(); }),
      end_alarm_(timers_, [this] { cut(); }),
      max_time_alarm_(timers_, [this] { stop(); }) {
  const Now now = seams_.clock.now();
  started_ = now.mono;
  started_wall_ = now.wall;
  rescan();
}

Engine::~Engine() = default;

spool::Result<void> Engine::recover() {
  const Now now = seams_.clock.now();
  auto recovered = ledger_.recover(now.wall);
  if (!recovered) return std::unexpected(recovered.error());
  for (const auto& warning : recovered->warnings) say(seams_.log, Level::warning, "recovery", warning);
  if (!recovered->messages.empty() && seams_.log.wants(Level::info)) {
    LogLine(seams_.log, "recovered").add("messages", recovered->messages.size()).write(Level::info);
  }
  for (auto& message : recovered->messages) {
    if (message->final()) { // told of already or about to be; only its closing is left
      messages_.emplace(message->number(), std::move(message));
      continue;
    }
    adopt(std::move(message), now);
  }
  return {};
}

// Recipients that were delayed wait on, at most for the schedule's longest step, whatever the wall clock did meanwhile.
void Engine::adopt(std::unique_ptr<spool::Message> owned, Now now) {
  spool::Message& message = *owned;
  messages_.emplace(message.number(), std::move(owned));
  fail_malformed(message, now);
  if (message.final()) return;
  Consignment consignment = consign(message, now);
  consignment.attempt_first = true;
  auto& left = consignment.recipients.emplace();
  for (std::uint32_t i = 0; i < message.envelope().size(); ++i) {
    if (spool::is_final(message.action(i))) continue;
    left.push_back(i);
    if (message.attempts(i) == 0 && message.action(i) != Action::delayed) continue;
    const auto next = message.action(i) == Action::delayed
                          ? message.outcome(i)->next_attempt_date.value_or(now.wall)
                          : now.wall;
    const milliseconds wait = std::clamp(next - now.wall, milliseconds{0}, settler_.schedule().longest());
    consignment.restored.push_back({i, message.attempts(i), now.mono + wait});
  }
  scheduler_.add(std::move(consignment), now.mono);
}

void Engine::claimed(spool::MessageFacts facts, WireContent content) {
  const Now now = seams_.clock.now();
  auto owned = std::make_unique<spool::Message>(std::move(facts), now.wall + settings_.config.retry.expire);
  spool::Message& message = *owned;
  messages_.emplace(message.number(), std::move(owned));
  if (content) contents_.offer(message.number(), std::move(content));
  ledger_.begin(message, now);
  if (seams_.log.wants(Level::info)) {
    LogLine(seams_.log, "claimed")
        .add("id", message.id())
        .add("sender", message.envelope().sender())
        .add("recipients", message.envelope().size())
        .add("size", message.facts().size)
        .write(Level::info);
  }
  const bool some_final = fail_malformed(message, now);
  if (message.final()) return;
  Consignment consignment = consign(message, now);
  if (some_final) {
    auto& left = consignment.recipients.emplace();
    for (std::uint32_t i = 0; i < message.envelope().size(); ++i)
      if (!spool::is_final(message.action(i))) left.push_back(i);
  }
  scheduler_.add(std::move(consignment), now.mono);
}

Consignment Engine::consign(const spool::Message& message, Now now) {
  Consignment consignment(spool::PackedFacts(message.shared_facts()));
  consignment.expires = message.expires();
  consignment.until = now.mono + (message.expires() - now.wall);
  return consignment;
}

// One bad address never holds up a list: it fails alone. True: there was one.
bool Engine::fail_malformed(spool::Message& message, Now now) {
  std::vector<std::uint32_t> malformed;
  for (std::uint32_t i = 0; i < message.envelope().size(); ++i) {
    if (message.envelope().recipient(i).malformed && !is_final(message.action(i))) malformed.push_back(i);
  }
  if (malformed.empty()) return false;
  auto outcome = transport::local_outcome(Action::failed, Source::local, "5.1.3",
                                          "not a valid address (RFC 5321 section 4.1.2)", now.wall);
  outcome.attempted = false;
  progress_.failed += malformed.size();
  ledger_.settle(message, malformed, std::move(outcome), now);
  return true;
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
  bool more = false;
  if (!failed()) {
    resolve(now);
    more = start_work(now);
    resolve(now); // what the started work asked for, so that the questions leave in this turn
    intake_.turn();
    lmtp_.turn();
  }
  admin_.turn();
  run_ledger(now);
  let_go();
  watch_end();
  scheduler_alarm_.set(stopping_ ? std::nullopt : scheduler_.wake_at(now.mono));
  ledger_alarm_.set(ledger_.deadline());
  if (more) return now.mono;
  return timers_.deadline();
}

void Engine::resolve(Now now) {
  bool progress = true;
  while (progress) {
    progress = false;
    while (auto domain = scheduler_.next_wanted()) dns_.want(*domain);
    while (auto found = dns_.next_route()) {
      progress = true;
      if (found->second) {
        for (const auto& remark : found->second->remarks) say(seams_.log, Level::info, "route", remark);
      }
      scheduler_.route_found(found->first, std::move(found->second), now.mono);
    }
  }
  dns_.turn();
}

bool Engine::start_work(Now now) {
  if (stopping_) return false;
  for (int i = 0; i < work_a_turn; ++i) {
    auto work = scheduler_.next_work(now.mono);
    if (!work) return false;
    perform(std::move(*work), now);
  }
  return true;
}

void Engine::perform(Work work, Now now) {
  switch (work.kind) {
  case Work::Kind::open: {
    Courier::Settings courier;
    courier.client.hostname = settings_.config.hostname;
    courier.client.timeouts = settings_.config.smtp.timeouts;
    courier.client.messages_per_connection = settings_.config.smtp.messages_per_connection;
    courier.client.eight_bit = settings_.config.smtp.eight_bit;
    courier.port = settings_.config.smtp.port;
    const SessionId session = work.session;
    auto opened = std::make_shared<Courier>(
        Courier::Tools{seams_.clock, seams_.network, timers_, dice_, health_, contents_, *this},
        std::move(courier), std::move(work));
    couriers_.emplace(session, opened);
    opened->start();
    return;
  }
  case Work::Kind::reuse: couriers_.at(work.session)->take(std::move(work)); return;
  case Work::Kind::close: couriers_.at(work.session)->close(); return;
  case Work::Kind::unroutable: {
    const auto& failure = *work.failure;
    settle_all(work,
               transport::local_outcome(failure.permanent ? Action::failed : Action::delayed,
                                        failure.policy ? Source::policy : Source::dns, failure.status,
                                        failure.text, now.wall),
               now);
    return;
  }
  case Work::Kind::site_down: {
    spool::Outcome outcome = *work.last_outcome;
    outcome.last_attempt_date = now.wall;
    settle_all(work, outcome, now);
    return;
  }
  case Work::Kind::expired: {
    const auto* last = messages_.at(work.message)->outcome(work.recipients.front());
    spool::Outcome outcome = last != nullptr ? *last : spool::Outcome{};
    if (last == nullptr) outcome.diagnostic_code = "x-bulkmail; its time was over before it could be tried";
    outcome.action = Action::failed;
    outcome.source = Source::expired;
    outcome.status = "4.4.7"; // RFC 3463: delivery time expired
    outcome.attempted = false;
    outcome.next_attempt_date.reset();
    outcome.will_retry_until.reset();
    settle_all(work, outcome, now);
    return;
  }
  }
}

void Engine::settle_all(const Work& work, const spool::Outcome& outcome, Now now) {
  if (seams_.log.wants(Level::info)) {
    LogLine(seams_.log, "attempt")
        .add("id", work.facts->id)
        .add("recipients", work.recipients.size())
        .add("first", work.facts->envelope.recipient(work.recipients.front()).address)
        .add("action", to_string(outcome.action))
        .add("status", outcome.status)
        .add("host", outcome.remote_mta)
        .add("address", outcome.remote_address)
        .add("reply", outcome.diagnostic_code)
        .write(Level::info);
  }
  record(work, settler_.settle(work, outcome, now), now);
}

void Engine::record(const Work& work, const Settlement& settlement, Now now) {
  for (const auto& group : settlement.groups) {
    switch (group.outcome.action) {
    case Action::relayed:
    case Action::delivered: progress_.relayed += group.recipients.size(); break;
    case Action::failed: progress_.failed += group.recipients.size(); break;
    case Action::delayed: progress_.delayed += group.recipients.size(); break;
    case Action::queued: break;
    }
    ledger_.settle(*messages_.at(work.message), group.recipients, group.outcome, now);
  }
  scheduler_.settle(work.attempt, settlement.dispositions, now.mono);
}

void Engine::settled(const Work& work, const std::vector<transport::RecipientResult>& results,
                     const transport::Peer& peer, const Courier::Timing& timing) {
  const Now now = seams_.clock.now();
  const Settlement settlement = settler_.settle(work, results, peer, now);
  if (seams_.log.wants(Level::info)) {
    for (const auto& group : settlement.groups) {
      LogLine line(seams_.log, "attempt");
      line.add("id", work.facts->id)
          .add("recipients", group.recipients.size())
          .add("first", work.facts->envelope.recipient(group.recipients.front()).address)
          .add("action", to_string(group.outcome.action))
          .add("status", group.outcome.status)
          .add("site", work.route->site)
          .add("host", peer.host)
          .add("address", peer.address)
          .add("reply", group.outcome.diagnostic_code);
      if (timing.opening.count() > 0) line.add("opening", timing.opening);
      line.add("transaction", timing.transaction).write(Level::info);
    }
  }
  record(work, settlement, now);
}

void Engine::unreachable(const Work& work, const spool::Outcome& outcome) {
  // Others are being served there: it was one session too many, and its work goes over theirs.
  if (outcome.action == Action::delayed && scheduler_.has_company(work.session)) return put_back(work);
  settle_all(work, outcome, seams_.clock.now());
}

void Engine::put_back(const Work& work) {
  scheduler_.settle(work.attempt, Settler::put_back(work).dispositions, seams_.clock.now().mono);
}

void Engine::condemned(const Work& work, const ContentProblem& problem) {
  const Now now = seams_.clock.now();
  if (seams_.log.wants(Level::error)) {
    LogLine(seams_.log, "condemned").add("id", work.facts->id).add("text", problem.text).write(Level::error);
  }
  ledger_.condemn(*messages_.at(work.message),
                  {spool::DropProblem::Kind::refused, "changed", problem.text, 0}, now);
  for (auto& [session, courier] : couriers_) courier->abandon(work.message); // it is about to go
  const std::vector<Disposition> done(work.recipients.size());
  scheduler_.settle(work.attempt, done, now.mono);
  scheduler_.forget(work.message);
}

void Engine::unreadable(const Work& work, const ContentProblem& problem) {
  const Now now = seams_.clock.now();
  settle_all(work, transport::local_outcome(Action::delayed, Source::local, "4.3.0", problem.text, now.wall),
             now);
}

void Engine::established(SessionId session) {
  scheduler_.session_established(session, seams_.clock.now().mono);
}

void Engine::free(SessionId session) {
  scheduler_.session_free(session, seams_.clock.now().mono);
  if (stopping_) couriers_.at(session)->finish();
}

void Engine::gone(SessionId session, Scheduler::Gone how, std::shared_ptr<const spool::Outcome> outcome) {
  scheduler_.session_gone(session, how, std::move(outcome), seams_.clock.now().mono);
  leaving_.push_back(session);
}

bool Engine::may_send() const { return ledger_.health().state == LedgerHealth::State::good; }

void Engine::run_ledger(Now now) {
  while (auto job = ledger_.next_job(now)) {
    auto held =
        std::make_shared<std::unique_ptr<spool::LedgerJob>>(std::move(job)); // std::function wants copies
    seams_.pool.run([held] { (*held)->run(); },
                    [this, held] { ledger_.finish(std::move(*held), seams_.clock.now()); });
  }
}

void Engine::let_go() {
  for (const SessionId session : std::exchange(leaving_, {})) couriers_.erase(session);
  for (const std::uint64_t number : ledger_.take_closed()) {
    scheduler_.forget(number);
    contents_.forget(number);
    messages_.erase(number);
  }
}

// A full or read-only spool takes no mail and lets no dot out; it goes on by itself.
void Engine::watch_health() {
  const auto& health = ledger_.health();
  if (health.state != known_health_) {
    known_health_ = health.state;
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
  const bool good = health.state == LedgerHealth::State::good;
  intake_.pause(!good || stopping_);
  lmtp_.can_accept(good && !stopping_);
  scheduler_.pause(!good);
}

void Engine::drain(Drain drain) {
  drain_ = drain;
  intake_.rescan();
  if (drain.force) scheduler_.flush(started_);
  if (drain.max_time) max_time_alarm_.set(started_ + *drain.max_time);
}

void Engine::watch_end() {
  if (drain_ && !stopping_ && intake_.idle() && lmtp_.idle() && scheduler_.quiet()) stop();
  if (stopping_ && couriers_.empty()) ledger_.hurry();
}

void Engine::stop() {
  if (std::exchange(stopping_, true)) return;
  intake_.pause(true);
  lmtp_.stop();
  end_alarm_.set(seams_.clock.now().mono + settings_.config.stop_timeout);
  for (auto& [id, courier] : couriers_) courier->finish();
}

// What is not past its end of data by now is tried again at the next start.
void Engine::cut() {
  for (auto& [id, courier] : couriers_) courier->cut();
  if (!may_send()) at_once_ = true; // nothing more can be recorded
}

void Engine::rescan() {
  intake_.rescan();
  rescan_alarm_.set(seams_.clock.now().mono + settings_.config.spool.rescan);
}

void Engine::stop_now() {
  stop();
  at_once_ = true;
}

bool Engine::failed() const { return ledger_.health().state == LedgerHealth::State::broken; }

bool Engine::over() const {
  if (!stopping_) return false;
  if (at_once_) return true;
  return couriers_.empty() && intake_.idle() && lmtp_.idle() && ledger_.idle();
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
  scheduler_.flush(seams_.clock.now().mono);
}

void Engine::reload(const Config& config) {
  settings_.config = config;
  ledger_.set_config(ledger_config(config));
  scheduler_.set_config(scheduler_config(settings_));
  settler_ = make_settler(config, dice_);
}

Engine::Progress Engine::progress() const {
  Progress progress = progress_;
  const auto load = scheduler_.load();
  progress.left = load.ready + load.delayed + load.resolving + load.in_attempt;
  return progress;
}

} // namespace bulkmail::agent
