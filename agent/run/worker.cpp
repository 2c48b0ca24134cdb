#include "agent/run/worker.h"

#include "agent/run/log_line.h"
#include "agent/run/porter.h"
#include "spool/bounce/bounce_class.h"

#include <fmt/format.h>

#include <algorithm>

namespace bulkmail::agent {

using spool::Action;
using spool::Source;

namespace {

// Work started in one turn, so that a turn stays short whatever waits.
constexpr int work_a_turn = 256;
// The queue's own steps in one, a few milliseconds' worth: after a start each call has a thousand of them to take.
constexpr std::uint64_t steps_a_turn = 10'000;
// Domains asked for, and routes taken, in one: the rest has the next turn, at once.
constexpr int domains_a_turn = 100;

// What one worker of all may have of something that has a limit over all.
std::uint32_t part(std::uint32_t all, std::size_t worker, std::size_t workers) {
  const auto up_to = [&](std::size_t of) { return std::uint64_t{all} * of / workers; };
  return std::max<std::uint32_t>(static_cast<std::uint32_t>(up_to(worker + 1) - up_to(worker)), 1);
}

// Each worker has its part of each step of a warm-up; config.cpp sees to it that there is one for all.
std::vector<SourceRule> source_rules(const WorkerSettings& settings, std::size_t worker) {
  std::vector<SourceRule> rules;
  for (const auto& address : settings.config.smtp.source) {
    SourceRule& rule = rules.emplace_back(SourceRule{address, settings.config.warmup_of(address)});
    for (Rate& step : rule.warmup) step.count = part(step.count, worker, settings.workers);
  }
  return rules;
}

SchedulerConfig scheduler_config(const WorkerSettings& settings, std::size_t worker) {
  const auto& smtp = settings.config.smtp;
  const std::uint32_t all = std::min(smtp.connections, settings.most_connections);
  return {.connections = part(all, worker, settings.workers),
          .connections_per_site = smtp.connections_per_site,
          .recipients_per_transaction = smtp.recipients_per_transaction,
          .mixed_domains = smtp.mixed_domains,
          .idle = smtp.idle,
          .schedule = RetrySchedule(settings.config.retry.schedule),
          .sources = source_rules(settings, worker),
          .sites = SiteRules(settings.config.sites),
          .senders = SenderRules(settings.config.senders)};
}

Settler make_settler(const Config& config, Dice& dice) {
  return Settler(RetrySchedule(config.retry.schedule),
                 config.retry.indeterminate == Config::Retry::Indeterminate::retry, dice);
}

// Where no route says otherwise.
Terms usual_terms(const Config& config) {
  Terms terms;
  terms.port = config.smtp.port;
  terms.tls = config.smtp.tls;
  return terms;
}

WayFinder::Settings way_settings(const Config& config) {
  const auto& smtp = config.smtp;
  return {config.routes,
          usual_terms(config),
          smtp.mta_sts,
          {smtp.private_targets == Config::Smtp::PrivateTargets::allow, smtp.ca_file}};
}

// Null: nobody signs.
std::shared_ptr<const Signers> make_signers(const Config& config) {
  return config.dkim.empty() ? nullptr : std::make_shared<const Signers>(config.dkim);
}

} // namespace

resolver::ResolverConfig resolver_config(const WorkerSettings& settings, std::size_t worker) {
  resolver::ResolverConfig config;
  config.servers = settings.servers;
  config.trust_ad = settings.trust_ad;
  config.dane = settings.config.smtp.dane;
  config.timeout = settings.config.resolver.timeout;
  config.attempts = static_cast<int>(settings.config.resolver.attempts);
  config.hostname = settings.config.hostname;
  config.own_addresses = settings.own_addresses;
  config.allow_private = settings.config.smtp.private_targets == Config::Smtp::PrivateTargets::allow;
  config.ipv6 = settings.ipv6;
  config.sockets = part(settings.most_questions, worker, settings.workers);
  return config;
}

std::size_t worker_for(const resolver::SiteKey& site, std::size_t workers) { return site.high % workers; }

std::size_t worker_for(std::string_view domain, std::size_t workers) {
  std::uint32_t hash = 2166136261; // FNV-1a
  for (const char c : domain) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619;
  return hash % workers;
}

Worker::Worker(Seams seams, spool::Disk& disk, Dice& dice, std::size_t number, WorkerSettings settings,
               Office& office)
    : seams_(seams),
      disk_(disk),
      dice_(dice),
      number_(number),
      settings_(std::move(settings)),
      office_(office),
      scheduler_(scheduler_config(settings_, number_), dice),
      settler_(make_settler(settings_.config, dice)),
      ways_(resolver_config(settings_, number_), way_settings(settings_.config), dice, seams, timers_),
      contents_(disk, seams.clock, seams.pool, timers_, make_signers(settings_.config)),
      scheduler_alarm_(timers_, [] {}) {}

Worker::~Worker() = default;

void Worker::obey(const Instruction& instruction) {
  instruction(*this);
  ++report_.obeyed;
  reported_ = false;
}

std::optional<Monotonic> Worker::turn() {
  const Now now = seams_.clock.now();
  timers_.advance(now.mono);
  bool more = resolve(now);
  more |= start_work(now);
  more |= resolve(now); // what the started work asked for, so that the questions leave in this turn
  let_go();
  scheduler_alarm_.set(stopping_ ? std::nullopt : scheduler_.wake_at(now.mono));
  report();
  if (more) return now.mono;
  return timers_.deadline();
}

// ---- What it is told

void Worker::consign(Consignment consignment, WireContent content) {
  const std::uint64_t message = consignment.facts.number();
  if (content) contents_.offer(message, std::move(content));
  scheduler_.add(std::move(consignment), seams_.clock.now().mono);
}

void Worker::adopt(const std::string& domain, std::vector<Consignment> mail) {
  const Monotonic now = seams_.clock.now().mono;
  adopted_.forget_old(now);
  adopted_.add(domain, now);
  for (Consignment& one : mail) scheduler_.add(std::move(one), now);
}

void Worker::abandon(std::uint64_t message) {
  for (auto& [session, carrier] : carriers_) carrier->abandon(message);
  scheduler_.forget(message);
  contents_.forget(message);
}

std::vector<Outlook> Worker::outlooks(std::span<const std::uint64_t> messages) const {
  const Monotonic now = seams_.clock.now().mono;
  std::vector<Outlook> all;
  all.reserve(messages.size());
  for (const std::uint64_t message : messages) all.push_back(scheduler_.outlook(message, now));
  return all;
}

void Worker::flush(const Selector& what) { scheduler_.flush(what, seams_.clock.now().mono); }

void Worker::hold(const Selector& what) { scheduler_.hold(what, seams_.clock.now().mono); }

void Worker::release(const Selector& what) { scheduler_.release(what, seams_.clock.now().mono); }

void Worker::cancel(const Selector& what) { scheduler_.cancel(what, seams_.clock.now().mono); }

void Worker::spool_is_good(bool good) {
  spool_is_good_ = good;
  scheduler_.pause(!good);
}

void Worker::reload(const Config& config, std::shared_ptr<const transport::TlsContexts> tls) {
  settings_.config = config;
  settings_.tls = std::move(tls);
  tickets_ = {}; // whom they vouch for may not be trusted any more
  const Monotonic now = seams_.clock.now().mono;
  scheduler_.set_config(scheduler_config(settings_, number_), now);
  ways_.set(way_settings(config));
  scheduler_.reroute(now);
  settler_ = make_settler(config, dice_);
  contents_.set_signers(make_signers(config));
}

void Worker::stop() {
  stopping_ = true;
  for (auto& [id, carrier] : carriers_) carrier->finish();
}

void Worker::cut() {
  for (auto& [id, carrier] : carriers_) carrier->cut();
}

// ---- Its turn

bool Worker::resolve(Now now) {
  int left = domains_a_turn;
  bool more = false;
  for (bool progress = true; progress && left > 0;) {
    progress = false;
    for (; left > 0; --left) {
      const auto domain = scheduler_.next_wanted();
      if (!domain) break;
      ways_.want(*domain);
    }
    more = ways_.turn(left);
    for (; left > 0; --left) {
      auto way = ways_.next_way();
      if (!way) break;
      progress = true;
      if (way->second && hand_over(way->first, *way->second, now)) continue;
      scheduler_.route_found(way->first, std::move(way->second), now.mono);
    }
  }
  while (const auto learned = ways_.policies().next_learned())
    office_.learned(number_, learned->first, learned->second);
  return more || left == 0;
}

// Limits hold per Site: its mail is all with one worker.
bool Worker::hand_over(const std::string& domain, const Way& way, Now now) {
  const std::size_t owner = worker_for(scheduler_.site_of(way).key, settings_.workers);
  if (owner == number_ || adopted_.has(domain)) return false;
  if (auto mail = scheduler_.take_domain(domain, now.mono); !mail.empty())
    office_.handed_over(owner, domain, std::move(mail));
  return true;
}

bool Worker::start_work(Now now) {
  if (stopping_) return false;
  const std::uint64_t enough = scheduler_.steps() + steps_a_turn;
  for (int i = 0; i < work_a_turn && scheduler_.steps() < enough; ++i) {
    auto work = scheduler_.next_work(now.mono);
    if (!work) return false;
    perform(std::move(*work), now);
  }
  return true;
}

void Worker::perform(Work work, Now now) {
  switch (work.kind) {
  case Work::Kind::open: return open(std::move(work));
  case Work::Kind::reuse: carriers_.at(work.session)->take(std::move(work)); return;
  case Work::Kind::close: carriers_.at(work.session)->close(); return;
  case Work::Kind::give_up: carriers_.at(work.session)->give_up(); return;
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
    settle_all(work, outcome, now, work.due);
    return;
  }
  case Work::Kind::cancelled: {
    settle_all(work, cancelled_outcome(now.wall), now);
    return;
  }
  case Work::Kind::expired: {
    office_.expired(work.message, work.recipients);
    const std::vector<Disposition> done(work.recipients.size());
    scheduler_.settle(work.attempt, done, now.mono);
    return;
  }
  }
}

void Worker::open(Work work) {
  const SessionId session = work.session;
  if (work.way->terms->delivery) {
    auto porter = std::make_shared<Porter>(
        Porter::Tools{seams_.clock, seams_.machine, seams_.pool, disk_, timers_, dice_, contents_, *this},
        settings_.config.hostname, std::move(work));
    carriers_.emplace(session, porter);
    porter->start();
    return;
  }
  const auto& smtp = settings_.config.smtp;
  Courier::Settings courier;
  courier.client.timeouts = smtp.timeouts;
  courier.client.messages_per_connection = smtp.messages_per_connection;
  courier.client.eight_bit = smtp.eight_bit;
  if (settings_.tls) courier.tls = work.way->terms->tls;
  courier.tls_contexts = settings_.tls;
  if (work.way->terms->sessions == Terms::Sessions::lmtp)
    courier.client.protocol = transport::ClientConfig::Protocol::lmtp;
  courier.client.credentials = work.way->terms->credentials;
  if (courier.client.credentials)
    courier.client.nonce = fmt::format("{:016x}{:016x}", dice_.next(), dice_.next());
  courier.source = work.source;
  courier.client.hostname = settings_.config.hostname_of(work.source);
  auto opened = std::make_shared<Courier>(Courier::Tools{seams_.clock, seams_.network, seams_.machine,
                                                         timers_, dice_, health_, tickets_, contents_, *this},
                                          std::move(courier), std::move(work));
  carriers_.emplace(session, opened);
  opened->start();
}

void Worker::settle_all(const Work& work, const spool::Outcome& outcome, Now now,
                        std::optional<Monotonic> due) {
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
  tell(work, settler_.settle(work, outcome, now, due), now);
}

// The office hears of it first: what the queue forgets has been told.
void Worker::tell(const Work& work, Settlement settlement, Now now, std::optional<Pace> pace) {
  if (!settlement.groups.empty()) office_.settled(work.message, std::move(settlement.groups));
  scheduler_.settle(work.attempt, settlement.dispositions, now.mono, pace);
  if (scheduler_.finished(work.message)) contents_.forget(work.message);
}

// ---- What couriers tell

void Worker::settled(const Work& work, const std::vector<transport::RecipientResult>& results,
                     const transport::Peer& peer, const Courier::Timing& timing) {
  const Now now = seams_.clock.now();
  Settlement settlement = settler_.settle(work, results, peer, now);
  if (seams_.log.wants(Level::info)) {
    for (const auto& group : settlement.groups) {
      LogLine line(seams_.log, "attempt");
      line.add("id", work.facts->id)
          .add("recipients", group.recipients.size())
          .add("first", work.facts->envelope.recipient(group.recipients.front()).address)
          .add("action", to_string(group.outcome.action))
          .add("status", group.outcome.status)
          .add("site", work.way->site)
          .add("host", peer.host)
          .add("address", peer.address)
          .add("reply", group.outcome.diagnostic_code);
      if (timing.opening.count() > 0) line.add("opening", timing.opening);
      line.add("transaction", timing.transaction).write(Level::info);
    }
  }
  if (settlement.mixing_refused) {
    scheduler_.mixing_refused(work.session, now.mono);
    if (seams_.log.wants(Level::info)) {
      LogLine(seams_.log, "one domain a transaction")
          .add("site", work.way->site)
          .add("host", peer.host)
          .write(Level::info);
    }
  }
  std::optional<Pace> pace;
  if (timing.answered) {
    pace = {timing.end_of_data, std::ranges::any_of(settlement.groups, [](const Settlement::Group& group) {
              return spool::means_slower(group.outcome);
            })};
  }
  tell(work, std::move(settlement), now, pace);
}

void Worker::answered(const Work& work, std::vector<spool::Outcome> outcomes) {
  const Now now = seams_.clock.now();
  Settlement settlement = settler_.settle(work, outcomes, now);
  if (seams_.log.wants(Level::info)) {
    for (const auto& group : settlement.groups) {
      LogLine(seams_.log, "attempt")
          .add("id", work.facts->id)
          .add("recipients", group.recipients.size())
          .add("first", work.facts->envelope.recipient(group.recipients.front()).address)
          .add("action", to_string(group.outcome.action))
          .add("status", group.outcome.status)
          .add("site", work.way->site)
          .add("reply", group.outcome.diagnostic_code)
          .write(Level::info);
    }
  }
  tell(work, std::move(settlement), now, Pace{});
}

void Worker::unreachable(const Work& work, const spool::Outcome& outcome) {
  // Others are being served there: it was one session too many, and its work goes over theirs. Not if it lacked security:
  // they may need none.
  const bool delayed = outcome.action == Action::delayed && outcome.source != Source::tls;
  if (delayed && scheduler_.has_company(work.session)) return put_back(work);
  const Now now = seams_.clock.now();
  settle_all(work, outcome, now,
             delayed ? std::optional(scheduler_.site_due(work.session, now.mono)) : std::nullopt);
}

void Worker::put_back(const Work& work) {
  scheduler_.settle(work.attempt, Settler::put_back(work).dispositions, seams_.clock.now().mono);
}

void Worker::condemned(const Work& work, const ContentProblem& problem) {
  office_.condemned(work.message, problem);
  const std::vector<Disposition> done(work.recipients.size());
  scheduler_.settle(work.attempt, done, seams_.clock.now().mono);
}

void Worker::unreadable(const Work& work, const ContentProblem& problem) {
  const Now now = seams_.clock.now();
  settle_all(work, transport::local_outcome(Action::delayed, Source::local, "4.3.0", problem.text, now.wall),
             now);
}

void Worker::established(SessionId session) {
  scheduler_.session_established(session, seams_.clock.now().mono);
}

void Worker::takes_one_domain(SessionId session) {
  scheduler_.mixing_refused(session, seams_.clock.now().mono);
}

void Worker::has_room(SessionId session) { scheduler_.session_has_room(session, seams_.clock.now().mono); }

void Worker::tls_seen(const Work& work, const TlsSight& sight) {
  if (!settings_.config.tlsrpt.on()) return;
  const auto recipient = work.facts->envelope.recipient(work.recipients.front());
  const auto domain = resolver::canonical_domain(recipient.domain);
  if (!domain || domain->starts_with('[')) return; // a literal publishes nothing
  const StsState state = settings_.config.smtp.mta_sts ? ways_.policies().state(*domain) : StsState{};
  count(tls_days_[std::chrono::floor<std::chrono::days>(seams_.clock.now().wall)], *domain, sight,
        state.policy.get());
}

void Worker::free(SessionId session) {
  scheduler_.session_free(session, seams_.clock.now().mono);
  if (stopping_) carriers_.at(session)->finish();
}

void Worker::gone(SessionId session, Scheduler::Gone how, std::shared_ptr<const spool::Outcome> outcome) {
  scheduler_.session_gone(session, how, std::move(outcome), seams_.clock.now().mono);
  leaving_.push_back(session);
}

void Worker::let_go() {
  for (const SessionId session : std::exchange(leaving_, {})) carriers_.erase(session);
}

void Worker::report() {
  WorkerReport report{.obeyed = report_.obeyed,
                      .load = scheduler_.load(),
                      .sessions = carriers_.size(),
                      .questions = ways_.resolver().in_flight(),
                      .quiet = scheduler_.quiet()};
  if (reported_ && report == report_) return;
  reported_ = true;
  report_ = report;
  office_.reported(number_, report_);
}

} // namespace bulkmail::agent
