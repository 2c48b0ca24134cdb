// What the engine says of itself: `queue`, `show`, `ping`, `flush`, and the dump to the log.
#include "agent/run/engine.h"
#include "agent/run/log_line.h"
#include "spool/status/status.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

namespace bulkmail::agent {
namespace {

std::string date(Wall wall) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(wall);
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z",
                     fmt::gmtime(std::chrono::system_clock::to_time_t(seconds)), (wall - seconds).count());
}

nlohmann::json text_or_null(const std::string& text) {
  return text.empty() ? nlohmann::json() : nlohmann::json(text);
}

} // namespace

nlohmann::json Engine::date_of(std::optional<Monotonic> at) const {
  if (!at) return nullptr;
  const Now now = seams_.clock.now();
  return date(now.wall + std::chrono::duration_cast<milliseconds>(*at - now.mono));
}

nlohmann::json Engine::describe_agent() {
  const auto load = scheduler_.load();
  const Now now = seams_.clock.now();
  nlohmann::json agent{
      {"pid", settings_.process_id},
      {"version", settings_.version},
      {"uptime_s", std::chrono::duration_cast<std::chrono::seconds>(now.mono - started_).count()},
      {"started", date(started_wall_)},
      {"sessions", load.sessions},
      {"idle_sessions", load.idle},
      {"messages", messages_.size()},
      {"recipients",
       {{"ready", load.ready},
        {"delayed", load.delayed},
        {"resolving", load.resolving},
        {"in_attempt", load.in_attempt}}},
      {"questions_in_flight", dns_.resolver().in_flight()},
      {"spool", may_send() ? "good" : ledger_.health().text},
  };
  if (loop_report_) agent["loop_latency_ms"] = loop_report_();
  return agent;
}

nlohmann::json Engine::describe_message(const spool::Message& message) {
  const auto& counts = message.counts();
  return {{"id", message.id()},
          {"sender", message.envelope().sender()},
          {"size", message.facts().size},
          {"arrival_date", date(message.facts().arrival_date)},
          {"counts",
           {{"total", counts.total},
            {"relayed", counts.relayed},
            {"delivered", counts.delivered},
            {"failed", counts.failed},
            {"delayed", counts.delayed},
            {"queued", counts.queued}}},
          {"next_attempt_date", date_of(scheduler_.next_attempt(message.number()))}};
}

nlohmann::json Engine::describe_queue() {
  nlohmann::json messages = nlohmann::json::array();
  for (const auto& [number, message] : messages_) messages.push_back(describe_message(*message));
  nlohmann::json sites = nlohmann::json::array();
  for (const auto& site : scheduler_.sites()) {
    sites.push_back({{"site", site.site},
                     {"hosts", site.hosts},
                     {"recipients", site.recipients},
                     {"sessions", site.sessions},
                     {"window", site.window},
                     {"next_attempt_date", date_of(site.next_attempt)},
                     {"last_reply", text_or_null(site.last_reply)}});
  }
  return {{"agent", describe_agent()}, {"messages", std::move(messages)}, {"sites", std::move(sites)}};
}

const spool::Message* Engine::find(const std::string& id) const {
  for (const auto& [number, message] : messages_) {
    if (message->id() == id) return message.get();
  }
  return nullptr;
}

Response Engine::answer(const Request& request) {
  const auto now = seams_.clock.now();
  switch (request.command) {
  case Request::Command::ping: return Response::success({{"agent", describe_agent()}});
  case Request::Command::drain: flush(); return Response::success();
  case Request::Command::flush: {
    if (!request.id.empty()) {
      const auto* message = find(request.id);
      if (message == nullptr) return Response::failure("no message " + request.id + " is waiting");
      scheduler_.flush_message(message->number(), now.mono);
    } else if (!request.domain.empty()) {
      const auto domain = resolver::canonical_domain(request.domain);
      if (!domain) return Response::failure(domain.error());
      scheduler_.flush_domain(*domain, now.mono);
    } else {
      flush();
    }
    return Response::success();
  }
  case Request::Command::queue: return Response::success(describe_queue());
  case Request::Command::show: {
    const auto* message = find(request.id);
    if (message == nullptr) return Response::failure("no message " + request.id + " is waiting");
    spool::Message copy = *message; // a snapshot counts the serial up, and this one is not published
    auto status = nlohmann::json::parse(
        spool::render_status(copy.snapshot(now.wall), {.reporting_mta = settings_.config.hostname}));
    status["next_attempt_date"] = date_of(scheduler_.next_attempt(message->number()));
    return Response::success(std::move(status));
  }
  }
  return Response::failure("not a command of this version");
}

void Engine::dump_state() {
  const std::string state = describe_queue().dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  say(seams_.log, Level::warning, "state", state); // asked for: written whatever the level
}

} // namespace bulkmail::agent
