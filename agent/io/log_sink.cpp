#include "agent/io/log_sink.h"

#include <spdlog/async_logger.h>
#include <spdlog/details/thread_pool.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

namespace bulkmail::agent {
namespace {

// Lines that wait for a slow target; beyond it the oldest are dropped, mail is not held up by its log.
constexpr std::size_t waiting_lines = 8192;

spdlog::level::level_enum to_spdlog(Level level) {
  switch (level) {
  case Level::debug: return spdlog::level::debug;
  case Level::info: return spdlog::level::info;
  case Level::warning: return spdlog::level::warn;
  case Level::error: return spdlog::level::err;
  }
  return spdlog::level::info;
}

} // namespace

LogSink::LogSink(const Config::Log& config)
    : threads_(std::make_shared<spdlog::details::thread_pool>(waiting_lines, 1)) {
  if (auto opened = reopen(config); !opened) throw std::runtime_error(opened.error());
}

LogSink::~LogSink() = default;

std::expected<void, std::string> LogSink::reopen(const Config::Log& config) {
  std::shared_ptr<spdlog::sinks::sink> sink;
  try {
    if (config.target == "stderr")
      sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    else
      sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(config.target);
  } catch (const spdlog::spdlog_ex& error) {
    return std::unexpected(std::string("log.target: ") + error.what());
  }
  level_ = static_cast<Level>(config.level);
  json_ = config.format == Config::Log::Format::json;
  const std::string pattern =
      json_ ? R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l",%v})" : "%Y-%m-%dT%H:%M:%S.%eZ %l %v";
  sink->set_formatter(std::make_unique<spdlog::pattern_formatter>(pattern, spdlog::pattern_time_type::utc));
  auto logger = std::make_shared<spdlog::async_logger>("bulkmail", std::move(sink), threads_,
                                                       spdlog::async_overflow_policy::overrun_oldest);
  logger->set_level(spdlog::level::trace);
  logger->flush_on(spdlog::level::trace); // by the logging thread: a file can be followed
  logger_ = std::move(logger);
  return {};
}

void LogSink::write(Level level, std::string_view line) { logger_.load()->log(to_spdlog(level), "{}", line); }

} // namespace bulkmail::agent
