// Programs that mail is piped to, on the real loop.
#include "agent/io/uv_machine.h"

#include <catch2/catch.hpp>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <functional>
#include <optional>

using namespace bulkmail;
using namespace bulkmail::agent;
using namespace std::chrono_literals;

namespace {

// What one program said and how it ended.
struct Run : Outlet::Handler {
  explicit Run(std::vector<std::string> arguments, std::vector<std::string> environment = {})
      : machine(loop),
        outlet(machine.start(arguments, environment, *this)) {}

  void received(std::string_view bytes) override { said += bytes; }

  void drained() override { ++drains; }

  void ended(int exit_code, int died_of) override {
    code = exit_code;
    signal = died_of;
    outlet.reset();
    over = true;
  }

  void broken(std::string_view why) override {
    problem = why;
    outlet.reset();
    over = true;
  }

  void turn_until(const std::function<bool()>& done, milliseconds patience = 10s) {
    const Monotonic end = std::chrono::steady_clock::now() + patience;
    loop.drive([&] { return end; }, [&] { return done() || std::chrono::steady_clock::now() >= end; });
  }

  Run& wait() {
    turn_until([this] { return over; });
    REQUIRE(over);
    return *this;
  }

  void write(std::string text) { outlet->write(std::move(text)); }

  Loop loop;
  UvMachine machine;
  std::unique_ptr<Outlet> outlet;
  std::string said, problem;
  int code = -1, signal = -1, drains = 0;
  bool over = false;
};

std::vector<std::string> shell(std::string line) { return {"/bin/sh", "-c", std::move(line)}; }

bool lives(pid_t pid) { return ::kill(pid, 0) == 0 || errno != ESRCH; }

} // namespace

TEST_CASE("a program gets what is written, and its exit status comes back") {
  Run run(shell("cat; echo trouble >&2; exit 67"));
  run.write("one\n");
  run.write("two\n");
  run.outlet->end();
  run.wait();
  CHECK(run.said == "one\ntwo\ntrouble\n");
  CHECK(run.code == 67);
  CHECK(run.signal == 0);
}

TEST_CASE("a program has the environment that it is given and no other, and no descriptor but three") {
  const int inherited = ::dup(0); // as from whoever started the agent
  Run run(shell("echo $A:$HOME; pwd; exec ls /proc/self/fd"), {"A=b", "PATH=/usr/bin:/bin"});
  run.outlet->end();
  run.wait();
  ::close(inherited);
  CHECK(run.said == "b:\n/\n0\n1\n2\n3\n"); // 3: of ls itself
}

TEST_CASE("more is written than a pipe holds") {
  Run run(shell("sleep 0.1; wc -c"));
  run.write(std::string(3 << 20, 'x'));
  CHECK(run.outlet->unwritten() > 0);
  run.outlet->end();
  run.wait();
  CHECK(std::stoul(run.said) == 3U << 20);
}

TEST_CASE("whoever writes more is told when there is room") {
  Run run(shell("sleep 0.1; wc -c"));
  run.write(std::string(1 << 20, 'x'));
  run.turn_until([&] { return run.drains > 0; });
  CHECK(run.outlet->unwritten() == 0);
  run.write("y");
  run.outlet->end();
  CHECK(std::stoul(run.wait().said) == (1U << 20) + 1);
}

TEST_CASE("a program need not read what it does not want") {
  const auto before = std::signal(SIGPIPE, SIG_IGN); // as the agent has it
  Run run(shell("exit 0"));
  run.write(std::string(3 << 20, 'x'));
  run.wait();
  CHECK(run.code == 0);
  std::signal(SIGPIPE, before);
}

TEST_CASE("a program that cannot be started is told, and that it died of a signal") {
  for (const char* nowhere : {"/nonexistent", "/etc/passwd", "/tmp"}) {
    Run run({nowhere});
    CHECK_FALSE(run.over); // never inside the call
    run.write("x");
    CHECK_FALSE(run.wait().problem.empty());
  }
  CHECK(Run(shell("kill -TERM $$")).wait().signal == SIGTERM);
}

TEST_CASE("a program that is let go of is killed with all that it has started") {
  Run run(shell("sleep 1000 & echo $! $$; wait"));
  run.turn_until([&] { return run.said.ends_with('\n'); });
  const pid_t child = std::stoi(run.said), leader = std::stoi(run.said.substr(run.said.find(' ')));
  REQUIRE(lives(child));
  run.outlet.reset();
  run.turn_until([&] { return !lives(leader); });
  CHECK_FALSE(lives(leader)); // reaped
  run.turn_until([&] { return !lives(child); }, 2s);
  CHECK((!lives(child) ||
         ::access(fmt::format("/proc/{}/exe", child).c_str(), F_OK) != 0)); // or nobody reaps it here
}

TEST_CASE("what a program leaves running does not hold up its end") {
  Run run(shell("sleep 5 & echo done"));
  run.outlet->end();
  const auto begin = std::chrono::steady_clock::now();
  run.wait();
  CHECK(std::chrono::steady_clock::now() - begin < 4s);
  CHECK(run.said == "done\n");
}
