// Events as NDJSON, gathered and written before the world waits for the next one (README.md, "Log").
#pragma once

#include <fmt/format.h>

#include <chrono>
#include <string>
#include <string_view>

namespace bulkmail::world {

// Appends text as a JSON string; bytes that are no UTF-8 become U+FFFD.
void append_json(std::string& out, std::string_view text);

class EventLog {
 public:
  // No file: events cost nothing and go nowhere.
  explicit EventLog(const std::string& path);
  ~EventLog();
  EventLog(const EventLog&) = delete;
  EventLog& operator=(const EventLog&) = delete;

  [[nodiscard]] bool on() const { return fd_ >= 0; }

  void flush();

  // One line: Line(log, "message", elapsed).text("host", …).number("size", …);
  class Line {
   public:
    Line(EventLog& log, std::string_view event, std::chrono::steady_clock::duration elapsed);
    ~Line();
    Line(const Line&) = delete;
    Line& operator=(const Line&) = delete;

    Line& text(std::string_view key, std::string_view value);
    Line& number(std::string_view key, std::uint64_t value);
    Line& flag(std::string_view key, bool value);
    Line& null(std::string_view key);

    template <class List>
    Line& texts(std::string_view key, const List& values) {
      this->key(key);
      log_.buffer_ += '[';
      bool first = true;
      for (const auto& value : values) {
        if (!first) log_.buffer_ += ',';
        first = false;
        append_json(log_.buffer_, value);
      }
      log_.buffer_ += ']';
      return *this;
    }

   private:
    void key(std::string_view name);
    EventLog& log_;
  };

 private:
  int fd_ = -1;
  std::string buffer_;
};

} // namespace bulkmail::world
