// One line of the log: an event and its fields, as "event key=value …" or as a JSON object.
//
//   if (log.wants(Level::info)) LogLine(log, "attempt").add("id", id).add("recipients", n).write(Level::info);
#pragma once

#include "agent/seams.h"

#include <concepts>
#include <string>
#include <string_view>

namespace bulkmail::agent {

class LogLine {
 public:
  LogLine(Log& log, std::string_view event);
  LogLine& add(std::string_view key, std::string_view value); // an empty value is left out

  LogLine& add(std::string_view key, std::integral auto value) {
    name(key);
    line_ += std::to_string(value);
    return *this;
  }

  LogLine& add(std::string_view key, milliseconds value); // "…_ms"
  void write(Level level);

 private:
  void name(std::string_view key);
  void quote(std::string_view value);
  Log& log_;
  bool json_;
  std::string line_;
};

// A line that is only an event and a text.
void say(Log& log, Level level, std::string_view event, std::string_view text);

} // namespace bulkmail::agent
