#include "agent/io/log_sink.h"

#include "spool/status/json_writer.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace bulkmail::agent {
namespace {

std::string_view name_of(Level level) {
  switch (level) {
  case Level::debug: return "debug";
  case Level::info: return "info";
  case Level::warning: return "warning";
  case Level::error: return "error";
  }
  return {};
}

// All of it, however slowly the target takes it; one that fails takes nothing.
void write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const auto put = ::write(fd, bytes.data(), bytes.size());
    if (put >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(put));
    } else if (errno == EAGAIN) { // a stderr that somebody else made non-blocking
      pollfd writable{fd, POLLOUT, 0};
      ::poll(&writable, 1, -1);
    } else if (errno != EINTR) {
      return;
    }
  }
}

} // namespace

LogSink::LogSink(const Config::Log& config) {
  if (auto opened = reopen(config); !opened) throw std::runtime_error(opened.error());
  thread_ = std::thread([this] { write_what_comes(); });
}

LogSink::~LogSink() {
  {
    const std::lock_guard lock(lock_);
    over_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

std::expected<void, std::string> LogSink::reopen(const Config::Log& config) {
  const bool file = config.target != "stderr";
  constexpr unsigned file_mode = 0666; // less the umask
  const int fd =
      file ? ::open(config.target.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, file_mode)
           : ::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
  if (fd < 0)
    return std::unexpected(
        fmt::format("log.target: {}: {}", config.target, std::generic_category().message(errno)));
  level_ = static_cast<Level>(config.level);
  json_ = config.format == Config::Log::Format::json;
  const std::lock_guard lock(lock_);
  target_ = std::make_shared<const Descriptor>(fd);
  return {};
}

void LogSink::write(Level level, std::string_view line) {
  bool notify = false;
  {
    const std::lock_guard lock(lock_);
    const std::size_t before = waiting_.size();
    if (before >= most_waiting) {
      ++lost_;
      return;
    }
    append(level, line);
    notify = before == 0 || (before < enough && waiting_.size() >= enough);
  }
  if (notify) changed_.notify_one();
}

void LogSink::append(Level level, std::string_view line) {
  const auto now = std::chrono::floor<milliseconds>(std::chrono::system_clock::now());
  if (json_) waiting_ += R"({"time":")";
  spool::append_date(waiting_, now);
  waiting_ += json_ ? R"(","level":")" : " ";
  waiting_ += name_of(level);
  waiting_ += json_ ? "\"," : " ";
  waiting_ += line;
  waiting_ += json_ ? "}\n" : "\n";
}

void LogSink::write_what_comes() {
  std::string writing; // the two strings change places, and keep their memory
  std::unique_lock lock(lock_);
  for (;;) {
    changed_.wait(lock, [this] { return over_ || !waiting_.empty(); });
    changed_.wait_for(lock, gather, [this] { return over_ || waiting_.size() >= enough; });
    if (waiting_.empty()) return;
    if (lost_ > 0) {
      const auto key = json_ ? R"("event":"log is slow","lines_lost":)" : "log is slow lines_lost=";
      append(Level::warning, key + std::to_string(std::exchange(lost_, 0)));
    }
    writing.swap(waiting_);
    const auto target = target_;
    lock.unlock();
    write_all(target->get(), writing);
    writing.clear();
    lock.lock();
  }
}

} // namespace bulkmail::agent
