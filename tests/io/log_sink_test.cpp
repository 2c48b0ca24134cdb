#include "agent/io/log_sink.h"
#include "tests/read_text.h"

#include <catch2/catch.hpp>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <regex>
#include <string>
#include <thread>
#include <vector>

using namespace bulkmail;
using namespace bulkmail::agent;
using bulkmail::test::read_text;
namespace fs = std::filesystem;

namespace {

struct Folder {
  fs::path path;

  Folder() {
    std::string name = (fs::temp_directory_path() / "bulkmail-log-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path = name;
  }

  ~Folder() { fs::remove_all(path); }

  [[nodiscard]] Config::Log log(const std::string& name) const {
    Config::Log config;
    config.target = (path / name).string();
    return config;
  }
};

} // namespace

TEST_CASE("What is logged by several threads is in the file, line by line, when the sink is gone") {
  const Folder folder;
  {
    LogSink sink(folder.log("log"));
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
      threads.emplace_back([&sink, t] {
        for (int i = 0; i < 1'000; ++i) sink.write(Level::info, fmt::format("line thread={} n={}", t, i));
      });
    for (auto& thread : threads) thread.join();
  }
  const std::string text = read_text(folder.path / "log");
  CHECK(std::ranges::count(text, '\n') == 4'000);
  std::vector<int> next(4, 0); // of each thread
  const std::regex line(R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z info line thread=(\d) n=(\d+)\n)");
  std::size_t matched = 0;
  for (std::sregex_iterator it(text.begin(), text.end(), line), end; it != end; ++it, ++matched)
    CHECK(std::stoi((*it)[2]) == next[static_cast<std::size_t>(std::stoi((*it)[1]))]++);
  CHECK(matched == 4'000);
}

TEST_CASE("A line is written soon, without another one") {
  const Folder folder;
  LogSink sink(folder.log("log"));
  sink.write(Level::warning, "alone");
  for (int i = 0; i < 200 && fs::file_size(folder.path / "log") == 0; ++i)
    std::this_thread::sleep_for(LogSink::gather);
  CHECK(read_text(folder.path / "log").ends_with(" warning alone\n"));
}

TEST_CASE("JSON lines have time and level in front") {
  const Folder folder;
  auto config = folder.log("log");
  config.format = Config::Log::Format::json;
  {
    LogSink(config).write(Level::error, R"("event":"x")");
  }
  const std::string text = read_text(folder.path / "log");
  CHECK(text.starts_with(R"({"time":"20)"));
  CHECK(text.ends_with(R"(Z","level":"error","event":"x"})"
                       "\n"));
}

TEST_CASE("After a reopening lines go to the new file; where that can't be, to the old one") {
  const Folder folder;
  {
    LogSink sink(folder.log("first"));
    sink.write(Level::info, "early");
    for (int i = 0; i < 200 && fs::file_size(folder.path / "first") == 0; ++i)
      std::this_thread::sleep_for(LogSink::gather);
    REQUIRE(sink.reopen(folder.log("second")));
    CHECK_FALSE(sink.reopen(folder.log("no/such/folder")));
    sink.write(Level::info, "late");
  }
  CHECK(read_text(folder.path / "first").ends_with("early\n"));
  CHECK(read_text(folder.path / "second").ends_with("late\n"));
}

TEST_CASE("A target that takes nothing holds nobody up, and is told later how many lines it missed") {
  const Folder folder;
  const auto config = folder.log("pipe");
  REQUIRE(::mkfifo(config.target.c_str(), 0600) == 0);
  const int reader = ::open(config.target.c_str(), O_RDONLY | O_NONBLOCK);
  REQUIRE(reader >= 0);
  std::string text;
  const auto drain = [&] {
    std::string block(64 * 1024, '\0');
    for (ssize_t got = 0; (got = ::read(reader, block.data(), block.size())) > 0;)
      text.append(block, 0, static_cast<std::size_t>(got));
  };
  {
    LogSink sink(config);
    const std::string line(1'000, 'x');
    for (std::size_t i = 0; i < 4 * LogSink::most_waiting / line.size(); ++i) sink.write(Level::info, line);
    for (int i = 0; i < 500 && text.find("log is slow lines_lost=") == text.npos; ++i) {
      drain();
      std::this_thread::sleep_for(milliseconds(2));
    }
  }
  ::close(reader);
  CHECK(text.find(" warning log is slow lines_lost=") != text.npos);
}
