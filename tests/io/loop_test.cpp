#include "agent/io/loop.h"

#include <catch2/catch.hpp>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace bulkmail;
using namespace bulkmail::agent;

namespace {

constexpr milliseconds long_turn{60};

} // namespace

TEST_CASE("A turn of the loop lasts as long as its callbacks") {
  Loop loop;
  bool over = false;
  loop.run([] {},
           [&] {
             std::this_thread::sleep_for(long_turn);
             over = true;
           });
  loop.drive([] { return std::nullopt; }, [&] { return over; });
  CHECK(loop.latency().max_ms() >= static_cast<double>(long_turn.count()));
}

TEST_CASE("The time in which the loop waits is no turn's") {
  Loop loop;
  const Monotonic end = loop.now().mono + 2 * long_turn;
  loop.drive([&] { return end; }, [&] { return loop.now().mono >= end; });
  CHECK(loop.latency().max_ms() < static_cast<double>(long_turn.count()));
}

namespace {

// A folder with a file outside of it, gone afterwards.
struct Folder {
  Folder() {
    std::filesystem::create_directories(path / "new");
    std::ofstream(path / "file") << "x";
  }

  ~Folder() { std::filesystem::remove_all(path); }

  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  std::filesystem::path path =
      std::filesystem::temp_directory_path() / fmt::format("bulkmail-watch-{}", ::getpid());
};

// What a watch of new/ tells of what is done before the loop turns.
std::vector<std::string> told_of(const std::filesystem::path& folder, const std::function<void()>& done) {
  Loop loop;
  std::vector<std::string> names;
  loop.watch((folder / "new").string(), [&](std::string name) { names.push_back(std::move(name)); });
  done();
  std::size_t told = 0;
  std::optional<Monotonic> quiet; // since when nothing more was told: it comes a buffer a turn
  const auto over = [&] { return quiet && loop.now().mono >= *quiet + milliseconds{30}; };
  loop.drive(
      [&] {
        if (!quiet || std::exchange(told, names.size()) != names.size()) quiet = loop.now().mono;
        return *quiet + milliseconds{30};
      },
      over);
  return names;
}

} // namespace

TEST_CASE("A watch tells what is linked and what is renamed into a folder, and nothing of what leaves it") {
  const Folder folder;
  const auto in = folder.path / "new";
  CHECK(told_of(folder.path, [&] {
          std::filesystem::create_hard_link(folder.path / "file", in / "linked");
          std::filesystem::rename(folder.path / "file", in / "renamed");
        }) == std::vector<std::string>{"linked", "renamed"});
  CHECK(told_of(folder.path, [&] {
          std::filesystem::remove(in / "linked");
          std::filesystem::rename(in / "renamed", folder.path / "file");
        }).empty());
}

TEST_CASE("A watch that lost events says so") {
  const Folder folder;
  std::size_t room = 0;
  std::ifstream("/proc/sys/fs/inotify/max_queued_events") >> room;
  const auto names = told_of(folder.path, [&] {
    for (std::size_t i = 0; i < room / 2 + 10; ++i) {
      const auto name = folder.path / "new" / std::to_string(i); // two events each: no two alike in a row
      std::filesystem::create_hard_link(folder.path / "file", name);
      std::filesystem::rename(name, folder.path / "new" / (std::to_string(i) + "r"));
    }
  });
  CHECK(std::ranges::count(names, "") == 1);
}
