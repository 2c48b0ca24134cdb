#include "agent/control/views.h"

#include "agent/config/units.h"
#include "transport/printable.h"

#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <optional>
#include <vector>

namespace bulkmail::agent {
namespace {

using nlohmann::json;
using Row = std::vector<std::string>;

const json& member(const json& object, const char* name) {
  static const json nothing;
  const auto found = object.find(name); // end() for anything but an object
  return found == object.end() ? nothing : *found;
}

std::string text(const json& value) {
  if (value.is_string()) return transport::printable(value.get_ref<const std::string&>());
  if (value.is_number() || value.is_boolean()) return value.dump();
  return "-";
}

std::string text(const json& object, const char* name) { return text(member(object, name)); }

std::uint64_t number(const json& object, const char* name) {
  const json& value = member(object, name);
  return value.is_number_integer()
             ? static_cast<std::uint64_t>(std::max<std::int64_t>(value.get<std::int64_t>(), 0))
             : 0;
}

// "2026-11-23T20:50:05.123Z" as every date of ours is written; parts of a second are left out.
std::optional<Wall> date(const json& value) {
  if (!value.is_string()) return std::nullopt;
  std::tm parts{};
  if (::strptime(value.get_ref<const std::string&>().c_str(), "%Y-%m-%dT%H:%M:%S", &parts) == nullptr)
    return std::nullopt;
  return Wall(std::chrono::seconds(::timegm(&parts)));
}

// The two largest units: "3d4h", "5m10s"; nothing finer than a second.
std::string short_duration(std::chrono::milliseconds duration) {
  using namespace std::chrono;
  const auto whole = std::max(duration, milliseconds(0));
  if (whole >= days(1)) return format_duration(floor<hours>(whole));
  if (whole >= hours(1)) return format_duration(floor<minutes>(whole));
  return format_duration(floor<seconds>(whole));
}

std::string age(const json& object, const char* name, Wall now) {
  const auto then = date(member(object, name));
  return then ? short_duration(now - *then) : "-";
}

std::string time_until(const json& object, const char* name, Wall now) {
  const auto then = date(member(object, name));
  if (!then) return "-";
  return *then <= now ? "now" : "in " + short_duration(*then - now);
}

// Columns as wide as their widest cell; the last runs free.
std::string table(const std::vector<Row>& rows) {
  std::vector<std::size_t> widths(rows.front().size());
  for (const Row& row : rows)
    for (std::size_t i = 0; i + 1 < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  std::string out;
  for (const Row& row : rows) {
    for (std::size_t i = 0; i + 1 < row.size(); ++i) out += fmt::format("{:<{}}  ", row[i], widths[i]);
    out += row.back() + '\n';
  }
  return out;
}

bool is_true(const json& object, const char* name) {
  const json& value = member(object, name);
  return value.is_boolean() && value.get<bool>();
}

// "3 of 10 waiting, 1 failed, held"
std::string counts(const json& object) {
  const json& of = member(object, "counts");
  std::string line =
      fmt::format("{} of {} waiting", number(of, "delayed") + number(of, "queued"), number(of, "total"));
  if (const auto failed = number(of, "failed"); failed > 0) line += fmt::format(", {} failed", failed);
  if (is_true(object, "held")) line += ", held";
  return line;
}

std::string counted(std::uint64_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

// "1 message, 12 recipients"
std::string amount(const json& object) {
  return counted(number(object, "messages"), "message") + ", " +
         counted(number(object, "recipients"), "recipient");
}

std::string joined(const json& list) {
  std::string out;
  if (list.is_array())
    for (const json& item : list) out += (out.empty() ? "" : ", ") + text(item);
  return out.empty() ? "-" : out;
}

// "3 recipients wait: 2 ready, 1 held"
std::string load(const json& recipients) {
  struct State {
    const char* name;
    const char* words;
  };

  constexpr State states[] = {{"in_attempt", "being sent"},
                              {"ready", "ready"},
                              {"resolving", "looked up"},
                              {"delayed", "delayed"},
                              {"held", "held"}};
  std::uint64_t total = 0;
  std::string parts;
  for (const auto& [name, words] : states) {
    const auto count = number(recipients, name);
    total += count;
    if (count > 0) parts += fmt::format("{}{} {}", parts.empty() ? ": " : ", ", count, words);
  }
  return fmt::format("{} in the queue{}\n", counted(total, "recipient"), parts);
}

// "held by hand: news-1, from example.org, to mx.example"
std::string holds(const json& list) {
  std::string names;
  const auto add = [&](std::string_view before, const std::string& name) {
    names += fmt::format("{}{}{}", names.empty() ? "" : ", ", before, name);
  };
  if (list.is_array()) {
    for (const json& hold : list) {
      if (is_true(hold, "all")) add("", "all mail");
      if (member(hold, "id").is_string()) add("", text(hold, "id"));
      if (member(hold, "sender").is_string()) add("from ", text(hold, "sender"));
      if (member(hold, "site").is_string()) add("to ", text(hold, "site"));
    }
  }
  return names.empty() ? "" : "held by hand: " + names + '\n';
}

// "12 recipients: the site's rate, in 5m (10 mx.example)"
std::string holding(const json& line, Wall now) {
  std::string out = counted(number(line, "recipients"), "recipient") + ": " + text(line, "cause");
  if (member(line, "until").is_string()) out += ", " + time_until(line, "until", now);
  if (member(line, "where").is_string()) out += " (" + text(line, "where") + ')';
  return out;
}

std::string sender_of(const json& object) {
  const auto sender = text(object, "sender");
  return sender.empty() ? "<>" : sender;
}

} // namespace

std::string order_view(const Request& order, const json& done) {
  switch (order.command) {
  case Request::Command::hold: return fmt::format("held: {}\n", amount(done));
  case Request::Command::release:
    return fmt::format("released: {}\n", counted(number(done, "holds"), "hold"));
  case Request::Command::cancel: return fmt::format("cancelled: {}\n", amount(done));
  default: return fmt::format("due now: {}\n", amount(done));
  }
}

std::string queue_view(const json& queue, Wall now) {
  const json& agent = member(queue, "agent");
  std::string out = "no agent runs; this is what its files tell\n";
  if (!agent.is_null())
    out = fmt::format("agent {}, version {}, up {}, {} sessions\n", text(agent, "pid"),
                      text(agent, "version"), short_duration(std::chrono::seconds(number(agent, "uptime_s"))),
                      number(agent, "sessions"));
  if (const json& recipients = member(agent, "recipients"); recipients.is_object()) out += load(recipients);
  out += holds(member(queue, "holds"));
  const json& messages = member(queue, "messages");
  if (!messages.is_array() || messages.empty()) {
    out += "\nno message waits\n";
  } else {
    std::vector<Row> rows{{"ID", "AGE", "SIZE", "SENDER", "NEXT", "RECIPIENTS"}};
    std::vector<const json*> by_age;
    for (const json& message : messages) by_age.push_back(&message);
    std::ranges::stable_sort(by_age, {}, [](const json* message) { return text(*message, "arrival_date"); });
    for (const json* message : by_age)
      rows.push_back({text(*message, "id"), age(*message, "arrival_date", now), text(*message, "size"),
                      sender_of(*message), time_until(*message, "next_attempt_date", now), counts(*message)});
    out += '\n' + table(rows);
  }
  const json& sites = member(queue, "sites");
  if (sites.is_array() && !sites.empty()) {
    std::vector<Row> rows{{"HOSTS", "WAITING", "SESSIONS", "NEXT", "LAST REPLY"}};
    for (const json& site : sites)
      rows.push_back({joined(member(site, "hosts")), text(site, "recipients"),
                      fmt::format("{}/{}", number(site, "sessions"), number(site, "window")),
                      is_true(site, "held") ? "held" : time_until(site, "next_attempt_date", now),
                      text(site, "last_reply")});
    out += '\n' + table(rows);
  }
  return out;
}

std::string message_view(const json& status, Wall now) {
  std::vector<Row> head{{"id", text(status, "id")}};
  if (const json& error = member(status, "error"); error.is_object()) {
    head.push_back({"refused", fmt::format("{} ({})", text(error, "text"), text(error, "code"))});
    if (member(error, "line").is_number()) head.push_back({"line", text(error, "line")});
    return table(head);
  }
  head.push_back({"sender", sender_of(status)});
  head.push_back({"size", text(status, "size")});
  head.push_back({"arrived", text(status, "arrival_date")});
  head.push_back({"expires", text(status, "expires")});
  if (member(status, "next_attempt_date").is_string())
    head.push_back({"next attempt", text(status, "next_attempt_date")});
  head.push_back({"recipients", counts(status)});
  if (const json& forecast = member(status, "forecast"); forecast.is_object())
    head.push_back({"forecast", fmt::format("half done {}, 99 % {}", time_until(forecast, "p50", now),
                                            time_until(forecast, "p99", now))});
  if (const json& lines = member(status, "holding"); lines.is_array())
    for (const json& line : lines) head.push_back({"waits", holding(line, now)});

  std::vector<Row> rows{{"RECIPIENT", "ACTION", "STATUS", "ATTEMPTS", "HOST", "DIAGNOSTIC"}};
  if (const json& recipients = member(status, "recipients"); recipients.is_array()) {
    for (const json& recipient : recipients)
      rows.push_back({text(recipient, "final_recipient"), text(recipient, "action"),
                      text(recipient, "status"), text(recipient, "attempts"), text(recipient, "remote_mta"),
                      text(recipient, "diagnostic_code")});
  }
  return table(head) + '\n' + table(rows);
}

} // namespace bulkmail::agent
