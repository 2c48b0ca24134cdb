// bulkmail-world WORLD.json: see README.md in this folder.
#include "tests/world/report.h"
#include "tests/world/world.h"

#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>

#include <csignal>
#include <cstdio>
#include <cstring>
#include <span>

namespace {

using namespace bulkmail::world;

enum Exit : int { good = 0, usage = 64, unusable = 75, bad_file = 78 };

constexpr const char* help = "usage: bulkmail-world WORLD.json\n"
                             "       bulkmail-world --report STATUS.json\n"
                             "       bulkmail-world --progress STATUS.json\n";

void say(const std::string& line) {
  std::fputs((line + "\n").c_str(), stdout);
  std::fflush(stdout);
}

// SIGHUP, SIGUSR1, SIGTERM and SIGINT, as events of the loop.
class Signals final : public Loop::Watcher {
 public:
  Signals(World& world, std::string path, std::string summary)
      : world_(world),
        path_(std::move(path)),
        summary_(std::move(summary)) {
    sigset_t set;
    sigemptyset(&set);
    for (const int number : {SIGHUP, SIGUSR1, SIGTERM, SIGINT}) sigaddset(&set, number);
    sigprocmask(SIG_BLOCK, &set, nullptr);
    socket_ = Descriptor(signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
    world_.scene().loop.watch(socket_.get(), EPOLLIN, *this);
  }

  void ready(std::uint32_t) override {
    signalfd_siginfo info{};
    while (read(socket_.get(), &info, sizeof info) == sizeof info) {
      if (info.ssi_signo == SIGHUP)
        reload();
      else if (info.ssi_signo == SIGUSR1)
        say(write() ? "summary" : "error: the summary can't be written");
      else
        world_.scene().loop.stop();
    }
  }

  bool write() { return summary_.empty() || write_summary(summary_, world_.scene().tally); }

 private:
  void reload() {
    try {
      world_.reload(WorldFile::read(path_));
      say("reloaded");
    } catch (const std::exception& error) {
      say(std::string("error ") + error.what());
    }
  }

  World& world_;
  std::string path_, summary_;
  Descriptor socket_;
};

// Thousands of sessions need as many descriptors.
void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

int run(const std::string& path) {
  const auto file = WorldFile::read(path);
  raise_descriptor_limit();
  World world(file);
  Signals signals(world, path, file.summary);
  say("ready " + world.ready_json());
  world.scene().loop.run();
  world.finish();
  if (signals.write()) return good;
  std::fprintf(stderr, "bulkmail-world: %s can't be written\n", file.summary.c_str());
  return unusable;
}

} // namespace

int main(int argc, char** argv) {
  const std::span arguments(argv, static_cast<std::size_t>(argc));
  try {
    if (argc == 3 && std::strcmp(arguments[1], "--report") == 0)
      return report(arguments[2]) ? good : unusable;
    if (argc == 3 && std::strcmp(arguments[1], "--progress") == 0)
      return progress(arguments[2]) ? good : unusable;
    if (argc == 2 && arguments[1][0] != '-') return run(arguments[1]);
    std::fputs(help, stderr);
    return usage;
  } catch (const FileError& error) {
    std::fprintf(stderr, "bulkmail-world: %s\n", error.what());
    return bad_file;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bulkmail-world: %s\n", error.what());
    return unusable;
  }
}
