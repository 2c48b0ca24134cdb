// What the engine says of itself: `queue`, `show`, `ping`, `flush`, and the dump to the log.
#include "agent/run/engine.h"
#include "agent/run/log_line.h"
#include "spool/status/status.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace bulkmail::agent {

using nlohmann::json;

namespace {

// Messages that a dump to the log names: whoever wants all asks for the queue.
constexpr std::size_t most_dumped = 1000;

template <class List>
List joined(std::vector<List> parts) {
  List all;
  for (auto& part : parts) std::ranges::move(part, std::back_inserter(all));
  return all;
}

} // namespace

json Engine::describe_agent() {
  const auto all = load();
  const Now now = seams_.clock.now();
  std::size_t questions = 0;
  for (const auto& standing : standings_) questions += standing.report.questions;
  json agent{
      {"pid", settings_.process_id},
      {"version", settings_.version},
      {"uptime_s", std::chrono::duration_cast<std::chrono::seconds>(now.mono - started_).count()},
      {"started", date_text(started_wall_)},
      {"workers", crew_->size()},
      {"sessions", all.sessions},
      {"idle_sessions", all.idle},
      {"messages", messages_.size()},
      {"recipients",
       {{"ready", all.ready},
        {"delayed", all.delayed},
        {"resolving", all.resolving},
        {"held", all.held},
        {"in_attempt", all.in_attempt}}},
      {"questions_in_flight", questions},
      {"spool", known_health_ == spool::LedgerHealth::State::good ? "good" : ledger_.health().text},
      {"intake", memory_is_full_ ? "waits for memory" : "open"},
  };
  if (loop_report_) agent["loop_latency_ms"] = loop_report_();
  return agent;
}

spool::Message* Engine::find(const std::string& id) const {
  const auto number = ids_.number(id);
  const auto* const found = number ? messages_.find(*number) : nullptr;
  return found == nullptr ? nullptr : found->get();
}

void Engine::answer(const Request& request, std::shared_ptr<Reply> reply) {
  switch (request.command) {
  case Request::Command::ping: return reply->finish(Response::success({{"agent", describe_agent()}}));
  case Request::Command::drain: flush(); return reply->finish(Response::success());
  case Request::Command::flush:
  case Request::Command::hold:
  case Request::Command::release:
  case Request::Command::cancel: return take_order(request, std::move(reply));
  case Request::Command::queue: return describe_queue(std::move(reply));
  case Request::Command::show: return show(request.id, std::move(reply));
  }
  reply->finish(Response::failure("not a command of this version"));
}

// All workers' Sites in one list.
void Engine::ask_sites(std::function<void(std::vector<Scheduler::SiteView>)> then) {
  using Views = std::vector<Scheduler::SiteView>;
  ask_all<Views>([](Worker& worker) { return worker.sites(); },
                 [then = std::move(then)](std::vector<Views> parts) { then(joined(std::move(parts))); });
}

void Engine::show(const std::string& id, std::shared_ptr<Reply> reply) {
  const auto* message = find(id);
  if (message == nullptr) return reply->finish(Response::failure("no message " + id + " is waiting"));
  using Lines = std::vector<Scheduler::Holding>;
  foresee({message->number()}, [this, id, number = message->number(), reply] {
    ask_all<Lines>([number](Worker& worker) { return worker.holding(number); },
                   [this, id, reply](std::vector<Lines> parts) {
                     if (const auto* still = find(id)) return show(*still, joined(std::move(parts)), reply);
                     reply->finish(Response::failure("message " + id + " is done"));
                   });
  });
}

void Engine::describe_queue(std::shared_ptr<Reply> reply) {
  ask_sites([this, reply](std::vector<Scheduler::SiteView> sites) {
    std::vector<std::uint64_t> numbers;
    numbers.reserve(messages_.size());
    messages_.for_each([&](std::uint64_t number, const auto&) { numbers.push_back(number); });
    answers_.emplace_back(reply, describe_agent(), order_file_.orders().list_holds(), std::move(numbers),
                          std::move(sites),
                          QueueAnswer::Sources{[this](std::uint64_t number) -> const spool::Message* {
                                                 const auto* const found = messages_.find(number);
                                                 return found == nullptr ? nullptr : found->get();
                                               },
                                               [this](std::optional<Monotonic> at) { return date_of(at); },
                                               order_file_.orders()});
  });
}

json Engine::date_of(std::optional<Monotonic> at) const {
  if (!at) return nullptr;
  const Now now = seams_.clock.now();
  return date_text(now.wall + std::chrono::duration_cast<milliseconds>(*at - now.mono));
}

void Engine::run_answers() {
  std::erase_if(answers_, [](QueueAnswer& answer) { return !answer.turn(); });
}

// The status file as it would be now, rendered off the loop, and why it waits.
void Engine::show(const spool::Message& message, const std::vector<Scheduler::Holding>& holding,
                  std::shared_ptr<Reply> reply) {
  json lines = json::array();
  for (const auto& line : holding) {
    lines.push_back({{"cause", to_string(line.cause)},
                     {"where", line.where.empty() ? json() : json(line.where)},
                     {"recipients", line.recipients},
                     {"until", date_of(line.until)}});
  }
  auto snapshot = std::make_shared<spool::Snapshot>(message.view(seams_.clock.now().wall));
  auto text = std::make_shared<std::string>();
  const auto next = message.next_attempt_date();
  seams_.pool.run(
      [snapshot, text, hostname = config().hostname, next, lines = lines.dump()] {
        spool::LedgerConfig all;
        all.reporting_mta = hostname;
        *text = spool::render_status(*snapshot, all);
        while (!text->empty() && text->back() != '}') text->pop_back();
        if (!text->empty()) text->pop_back();
        *text += R"(,"next_attempt_date":)" + (next ? '"' + date_text(*next) + '"' : "null") +
                 R"(,"holding":)" + lines + "}}\n";
        text->insert(0, R"({"ok":true,"body":)");
      },
      [text, reply] { reply->finish(std::move(*text)); });
}

void Engine::dump_state() {
  ask_sites([this](const std::vector<Scheduler::SiteView>& all) {
    std::string messages, sites;
    std::size_t named = 0;
    messages_.visit(0, [&](std::uint64_t, const auto& message) {
      append_message(messages, *message, order_file_.orders());
      return ++named < most_dumped;
    });
    for (const auto& site : all) append_site(sites, site, date_of(site.next_attempt));
    // Asked for: written whatever the level.
    say(seams_.log, Level::warning, "state",
        fmt::format(R"({{"agent":{},"messages":[{}],"sites":[{}]}})", describe_agent().dump(), messages,
                    sites));
  });
}

} // namespace bulkmail::agent
