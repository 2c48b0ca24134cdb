// A message becomes a file that is whole and durable, or none.
#include "agent/run/file_outlet.h"
#include "tests/seeded_dice.h"
#include "tests/simulation/memory_disk.h"

#include <catch2/catch.hpp>

#include <cerrno>
#include <deque>

namespace bulkmail::agent {
namespace {

using simulation::MemoryDisk;
using transport::kinds::Opening;

// Does a job when it is told to.
struct SlowPool : Pool {
  void run(std::function<void()> work, std::function<void()> done) override {
    jobs.emplace_back(std::move(work), std::move(done));
  }

  void finish() {
    while (!jobs.empty()) {
      const auto [work, done] = std::move(jobs.front());
      jobs.pop_front();
      work();
      done();
    }
  }

  std::deque<std::pair<std::function<void()>, std::function<void()>>> jobs;
};

struct Rig : Outlet::Handler {
  Rig() {
    (void)disk.make_directory("/mail", 0755);
    Opening opening;
    opening.kind = Opening::Kind::file;
    opening.folders = {"/mail/ann", "/mail/ann/tmp", "/mail/ann/new", "/mail/ann/cur"};
    opening.temporary = "/mail/ann/tmp/1.x";
    opening.place = "/mail/ann/new/1.x";
    outlet = std::make_unique<FileOutlet>(disk, pool, opening, *this);
  }

  void drained() override { ++drains; }

  void ended(int, int) override { ++ends; }

  void broken(std::string_view why) override { problem = why; }

  void write(std::string text) { outlet->write(std::move(text)); }

  static std::size_t files(const char* folder, spool::Disk& in) {
    const auto names = in.list(folder);
    return names ? names->size() : 0;
  }

  MemoryDisk disk{MemoryDisk::Profile::any};
  SlowPool pool;
  std::unique_ptr<FileOutlet> outlet;
  int drains = 0, ends = 0;
  std::string problem;
};

} // namespace

TEST_CASE("a message is whole in new/ when it is said to be delivered, whatever happens then", "[file]") {
  Rig rig;
  rig.write("Return-Path: <a@b>\n");
  rig.pool.finish();
  CHECK(rig.drains == 1);
  rig.write("text\n");
  CHECK(rig.outlet->unwritten() == 5);
  rig.outlet->end();
  CHECK(rig.ends == 0);
  rig.pool.finish();
  CHECK(rig.ends == 1);
  test::SeededDice dice(1);
  for (int i = 0; i < 50; ++i) {
    const auto after = rig.disk.power_cut(dice);
    auto file = after->open_read("/mail/ann/new/1.x");
    REQUIRE(file);
    char text[100];
    const auto count = (*file)->read_at(0, text);
    REQUIRE(count);
    CHECK(std::string(text, *count) == "Return-Path: <a@b>\ntext\n");
  }
  CHECK(rig.files("/mail/ann/tmp", rig.disk) ==
        0); // a power cut may leave that name too, for whoever clears tmp/
}

TEST_CASE("a message that is dropped on the way leaves nothing behind", "[file]") {
  for (const bool begun : {true, false}) {
    Rig rig;
    rig.write("half");
    if (begun) rig.pool.finish();
    rig.outlet.reset();
    rig.pool.finish();
    CHECK(rig.files("/mail/ann/tmp", rig.disk) == 0);
    CHECK(rig.files("/mail/ann/new", rig.disk) == 0);
    CHECK(rig.ends == 0);
  }
}

TEST_CASE("whatever goes wrong on the disk is told, and nothing is in new/", "[file]") {
  using Operation = MemoryDisk::Operation;
  for (const Operation bad : {Operation::make_directory, Operation::create, Operation::append,
                              Operation::sync_data, Operation::rename_new}) {
    Rig rig;
    rig.disk.set_fault(
        [bad](Operation operation, std::string_view) { return operation == bad ? ENOSPC : 0; });
    rig.write("text\n");
    rig.outlet->end();
    rig.pool.finish();
    CHECK_FALSE(rig.problem.empty());
    CHECK(rig.ends == 0);
    rig.disk.set_fault({});
    CHECK(rig.files("/mail/ann/tmp", rig.disk) == 0);
    CHECK(rig.files("/mail/ann/new", rig.disk) == 0);
  }
}

TEST_CASE("a file that is there is never replaced", "[file]") {
  Rig first;
  first.write("one");
  first.outlet->end();
  first.pool.finish();
  first.outlet.reset();
  Opening opening;
  opening.temporary = "/mail/ann/tmp/1.x";
  opening.place = "/mail/ann/new/1.x";
  first.outlet = std::make_unique<FileOutlet>(first.disk, first.pool, opening, first);
  first.write("two");
  first.outlet->end();
  first.pool.finish();
  CHECK(first.ends == 1);
  CHECK_FALSE(first.problem.empty());
}

} // namespace bulkmail::agent
