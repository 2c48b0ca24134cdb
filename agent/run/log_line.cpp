#include "agent/run/log_line.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace bulkmail::agent {

LogLine::LogLine(Log& log, std::string_view event) : log_(log), json_(log.json()) {
  if (json_) {
    line_ = "\"event\":";
    quote(event);
  } else {
    line_ = event;
  }
}

void LogLine::name(std::string_view key) {
  line_ += json_ ? ",\"" : " ";
  line_ += key;
  line_ += json_ ? "\":" : "=";
}

void LogLine::quote(std::string_view value) {
  line_ += nlohmann::json(value).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

LogLine& LogLine::add(std::string_view key, std::string_view value) {
  if (value.empty()) return *this;
  name(key);
  const bool plain =
      std::ranges::all_of(value, [](char c) { return c > ' ' && c != '"' && c != '\\' && c < 0x7f; });
  if (json_ || !plain)
    quote(value);
  else
    line_ += value;
  return *this;
}

LogLine& LogLine::add(std::string_view key, milliseconds value) {
  return add(fmt::format("{}_ms", key), value.count());
}

void LogLine::write(Level level) { log_.write(level, line_); }

void say(Log& log, Level level, std::string_view event, std::string_view text) {
  if (log.wants(level)) LogLine(log, event).add("text", text).write(level);
}

} // namespace bulkmail::agent
