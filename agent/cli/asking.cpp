#include "agent/cli/asking.h"

#include "agent/cli/resting_queue.h"
#include "agent/control/views.h"
#include "agent/io/control_client.h"

#include <fmt/format.h>
#include <sysexits.h>

#include <cstdio>

namespace bulkmail::agent {
namespace {

using nlohmann::json;

constexpr int not_known = 1; // the agent answered, and what it was asked for isn't there

int no_agent(const std::string& why) {
  fmt::print(stderr, "bulkmail: no agent: {}\n", why);
  return EX_UNAVAILABLE;
}

int said_no(const std::string& why, int code) {
  fmt::print(stderr, "bulkmail: {}\n", why);
  return code;
}

Wall now() { return std::chrono::time_point_cast<milliseconds>(std::chrono::system_clock::now()); }

void print(const std::string& text) { std::fwrite(text.data(), 1, text.size(), stdout); }

std::string line_of(const json& object) {
  return object.dump(-1, ' ', false, json::error_handler_t::replace) + '\n';
}

} // namespace

int ping(const Config& config) {
  const auto response = ask_agent(config.spool.path, {.command = Request::Command::ping});
  if (!response) return no_agent(response.error());
  return response->ok ? EX_OK : said_no(response->error, EX_UNAVAILABLE);
}

int order(const Config& config, const Request& request, bool as_json) {
  const auto response = ask_agent(config.spool.path, request);
  if (!response) return no_agent(response.error());
  if (!response->ok) return said_no(response->error, not_known);
  if (as_json)
    print(line_of(response->body));
  else if (request.command != Request::Command::flush) // which is asked for by cron
    print(order_view(request, response->body));
  return EX_OK;
}

int queue(const Config& config, bool as_json) {
  const auto response = ask_agent(config.spool.path, {.command = Request::Command::queue});
  if (response && !response->ok) return said_no(response->error, EX_UNAVAILABLE);
  const auto resting = response ? std::expected<json, std::string>() : resting_queue(config.spool.path);
  if (!resting) return no_agent(fmt::format("{}; {}", response.error(), resting.error()));
  const json& waiting = response ? response->body : *resting;
  print(as_json ? line_of(waiting) : queue_view(waiting, now()));
  return EX_OK;
}

int show(const Config& config, const std::string& id, bool as_json) {
  const auto response = ask_agent(config.spool.path, {.command = Request::Command::show, .id = id});
  const json status = response && response->ok ? response->body : read_status(config.spool.path, id);
  if (status.is_null())
    return said_no(fmt::format("no message {}: neither waiting nor in status/", id), not_known);
  print(as_json ? line_of(status) : message_view(status, now()));
  return EX_OK;
}

} // namespace bulkmail::agent
