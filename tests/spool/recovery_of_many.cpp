// A start with more messages than one commit writes anew, and what happens meanwhile.
#include "tests/spool/ledger_rig.h"

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include <algorithm>

using namespace bulkmail;
using namespace bulkmail::spool;
using namespace std::chrono_literals;

namespace {

constexpr int count = 6'000; // some commits of 128 KiB

std::string id_of(int n) { return fmt::format("m{:05}", n); }

void drop_all(MemoryDisk& disk, const std::string& folder) {
  for (int n = 0; n < count; ++n) disk.put(folder + id_of(n), drop_for({"ann@d1.example", "bob@d2.example"}));
}

std::vector<std::string> segments(MemoryDisk& disk) {
  auto names = *disk.list("journal");
  std::sort(names.begin(), names.end());
  return names;
}

// Runs the next job, whichever it is.
bool step(LedgerRig& rig) {
  auto job = rig.ledger.next_job(rig.now);
  if (!job) return false;
  job->run();
  rig.ledger.finish(std::move(job), rig.now);
  return true;
}

} // namespace

TEST_CASE("a start writes many messages anew in several commits, and the old segment goes after the last") {
  MemoryDisk disk;
  {
    LedgerRig rig(disk);
    rig.recover();
    drop_all(disk, "new/");
    for (int n = 0; n < count; ++n) rig.claim(id_of(n));
    rig.pass(2s);
    for (int n = 0; n < count; n += 2) rig.settle(id_of(n), {0}, relayed());
    rig.pass(2s);
  }
  const std::string old = segments(disk).front();

  LedgerConfig config = LedgerRig::standard();
  config.segment_size = 400'000; // so that what is written anew fills more than one
  LedgerRig rig(disk, config);
  rig.recover();
  REQUIRE(rig.messages.size() == count);
  REQUIRE(step(rig));
  CHECK_FALSE(rig.ledger.idle());
  rig.settle(id_of(count - 1), {1}, relayed()); // before its turn
  for (int jobs = 0; jobs < 2; ++jobs) REQUIRE(step(rig));
  CHECK(disk.contents("journal/" + old));

  SECTION("stopped in the midst of it") {}
  SECTION("all of it done") {
    rig.finish();
    rig.pass(5s);
    CHECK_FALSE(disk.contents("journal/" + old));
    CHECK(segments(disk).size() > 1);
  }
  LedgerRig next(disk);
  next.recover();
  REQUIRE(next.messages.size() == count);
  for (int n = 0; n < count; ++n) {
    REQUIRE(next.message(id_of(n)).action(0) == (n % 2 == 0 ? Action::relayed : Action::queued));
    REQUIRE(next.message(id_of(n)).action(1) == (n == count - 1 ? Action::relayed : Action::queued));
  }
  for (int n = 0; n < count; ++n) next.settle_all(id_of(n), relayed());
  next.finish();
  CHECK(next.messages.empty());
  CHECK(next.results().size() == 2 * count);
  next.pass(5s);
  CHECK(segments(disk).size() == 1);
}

TEST_CASE("a segment with the only record of a message stays, however many follow it since the start") {
  MemoryDisk disk;
  LedgerConfig config = LedgerRig::standard();
  config.segment_size = 1;
  {
    LedgerRig rig(disk, config);
    rig.recover();
    disk.put("new/slow", drop_for({"ann@d1.example", "bob@d2.example"}));
    rig.claim("slow");
    rig.settle("slow", {0}, relayed());
    rig.pass(5s);
  }
  LedgerRig rig(disk, config);
  rig.recover();
  for (int n = 0; n < 5; ++n) {
    disk.put("new/" + id_of(n), drop_for({"ann@d1.example"}));
    rig.claim(id_of(n));
    rig.settle_all(id_of(n), relayed());
    rig.pass(5s);
  }
  LedgerRig next(disk, config);
  next.recover();
  REQUIRE(next.has("slow"));
  CHECK(next.message("slow").action(0) == Action::relayed);
}

TEST_CASE("what the journal doesn't know is begun there before anything is said of it") {
  MemoryDisk disk;
  {
    LedgerRig(disk).recover();
    drop_all(disk, "cur/");
    LedgerRig rig(disk);
    rig.recover();
    rig.settle(id_of(count - 1), {0}, relayed()); // many stand before it
    REQUIRE(step(rig));
  }
  LedgerRig next(disk);
  next.recover();
  CHECK(next.message(id_of(count - 1)).action(0) == Action::relayed);
  CHECK(next.message(id_of(0)).action(0) == Action::queued);
}

TEST_CASE("statuses of many messages are told of beforehand, and written a thousand at a time") {
  MemoryDisk disk;
  LedgerRig rig(disk);
  rig.recover();
  drop_all(disk, "new/");
  for (int n = 0; n < count; ++n) rig.claim(id_of(n));
  CHECK(rig.ledger.statuses_due_by(rig.now.mono).empty());
  const auto due = rig.ledger.statuses_due_by(rig.now.mono + 1s);
  CHECK(due.size() == 1'000);
  for (const std::uint64_t number : due)
    for (const auto& [id, message] : rig.messages)
      if (message->number() == number)
        message->set_forecast(Forecast{rig.now.wall + 60s, rig.now.wall + 120s});
  rig.pass(2s);
  std::size_t written = 0, with_forecast = 0;
  for (int n = 0; n < count; ++n) {
    const auto status = rig.status(id_of(n));
    if (status.is_null()) continue;
    ++written;
    if (!status["forecast"].is_null()) ++with_forecast;
  }
  CHECK(written == count);
  CHECK(with_forecast == 1'000);
}
