#include "spool/drop/claim.h"
#include "spool/layout.h"
#include "tests/simulation/memory_disk.h"

#include <catch2/catch.hpp>
#include <fmt/format.h>

using namespace bulkmail;
using namespace bulkmail::spool;
using simulation::MemoryDisk;

namespace {

const std::string good = "MAIL FROM:<a@b>\nRCPT TO:<c@d>\nDATA\n.\n";

struct Start { // of an agent

  explicit Start(MemoryDisk& disk) : claimer(disk, ids, "relay.example") {}

  ClaimAnswer claim(const std::string& name) {
    auto answer = claimer.claim(name, Wall{});
    claimer.rest();
    return answer;
  }

  Ids ids;
  Claimer claimer;
};

// An agent that crashes while it reads this drop.
void crash(MemoryDisk& disk, const std::string& name) {
  disk.set_fault([&](MemoryDisk::Operation operation, std::string_view path) {
    if (operation == MemoryDisk::Operation::read && path == "new/" + name)
      disk.crash_at_change(disk.changes() + 1);
    return 0;
  });
  REQUIRE_THROWS_AS(Start(disk).claim(name), simulation::Crashed);
  disk.set_fault(nullptr);
  disk.restart();
}

} // namespace

TEST_CASE("a drop that crashes three starts is refused at the fourth, unread") {
  MemoryDisk disk;
  REQUIRE(make_spool_layout(disk));
  disk.put("new/killer", good);
  for (int i = 0; i < 3; ++i) {
    CHECK(disk.contents("new/killer"));
    crash(disk, "killer");
  }
  Start start(disk);
  const ClaimAnswer answer = start.claim("killer");
  REQUIRE(std::holds_alternative<Refused>(answer));
  CHECK(std::get<Refused>(answer).problem.code == "crashed");
  CHECK(disk.contents("bad/killer") == good);
  CHECK(disk.contents("status/killer.json"));

  disk.put("new/killer", good + "QUIT\n"); // what comes later under that name is looked at again
  CHECK(std::holds_alternative<Claimed>(start.claim("killer")));
}

TEST_CASE("other drops between the crashes change nothing, a start that survives it does") {
  MemoryDisk disk;
  REQUIRE(make_spool_layout(disk));
  disk.put("new/killer", good);
  for (int i = 0; i < 2; ++i) {
    crash(disk, "killer");
    Start start(disk);
    disk.put(fmt::format("new/other{}", i), good);
    CHECK(std::holds_alternative<Claimed>(start.claim(fmt::format("other{}", i))));
  }
  CHECK(std::holds_alternative<Claimed>(Start(disk).claim("killer"))); // twice only
  REQUIRE(disk.rename("cur/killer", "new/killer"));
  REQUIRE_FALSE(HandlingMark(disk).hopeless("new/killer"));
  for (int i = 0; i < 2; ++i) crash(disk, "killer");
  CHECK_FALSE(HandlingMark(disk).hopeless("new/killer")); // counted anew
}

TEST_CASE("several suspects are counted side by side") {
  MemoryDisk disk;
  REQUIRE(make_spool_layout(disk));
  for (int i = 0; i < 3; ++i)
    for (const char* name : {"one", "two"}) {
      disk.put(std::string("new/") + name, good);
      crash(disk, name);
    }
  HandlingMark mark(disk);
  CHECK(mark.hopeless("new/one"));
  CHECK(mark.hopeless("new/two"));
  mark.settled("new/one");
  CHECK_FALSE(HandlingMark(disk).hopeless("new/one"));
  CHECK(HandlingMark(disk).hopeless("new/two"));
}

TEST_CASE("the record stays bounded, and whatever stands in it never stops a start") {
  MemoryDisk disk;
  REQUIRE(make_spool_layout(disk));
  for (std::size_t i = 0; i < 2 * HandlingMark::max_suspects; ++i) {
    disk.put(fmt::format("new/drop{}", i), good);
    crash(disk, fmt::format("drop{}", i));
  }
  CHECK(disk.contents("state/handling")->size() < 300 * (HandlingMark::max_suspects + 1));

  for (const std::string& record :
       {std::string(), std::string("x"), std::string(5000, '\n'), std::string(5000, '9'),
        std::string(288, ' ') + "3\n 4 \nx y\n99999999999999 z\n3 new/a"}) {
    REQUIRE(disk.remove("state/handling"));
    disk.put("state/handling", record);
    disk.put("state/handling.new", "left by a crash");
    CHECK(HandlingMark(disk).hopeless("new/a") == record.ends_with("new/a"));
  }
}

TEST_CASE("without a place for the record drops are claimed all the same") {
  MemoryDisk disk;
  for (const char* folder : {"new", "cur", "bad", "status"}) REQUIRE(disk.make_directory(folder, 0700));
  disk.put("new/a", good);
  CHECK(std::holds_alternative<Claimed>(Start(disk).claim("a")));
}

TEST_CASE("a crash between two drops suspects the one before, one after a rest suspects none") {
  MemoryDisk disk;
  REQUIRE(make_spool_layout(disk));
  disk.put("new/a", good);
  Start start(disk);
  const auto record = [&] { return disk.contents("state/handling")->substr(0, 5); };
  CHECK(std::holds_alternative<Claimed>(start.claimer.claim("a", Wall{})));
  CHECK(record() == "new/a");
  start.claimer.rest();
  CHECK(record() == "     ");
}
