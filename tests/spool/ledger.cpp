#include "tests/spool/ledger_rig.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cerrno>
#include <set>

using namespace bulkmail;
using namespace bulkmail::spool;
using namespace std::chrono_literals;
using Operation = MemoryDisk::Operation;

namespace {

struct Spool {
  Spool() {
    rig.recover();
    disk.put("new/a", drop_for({"ann@d1.example", "bob@d2.example"}));
    disk.put("new/b", drop_for({"cy@d3.example"}));
  }

  MemoryDisk disk;
  LedgerRig rig{disk};
};

std::vector<std::string> segments(MemoryDisk& disk) { return *disk.list("journal"); }

} // namespace

TEST_CASE("a message whose recipients are all final is told of and leaves the queue") {
  Spool spool;
  spool.rig.claim("a");
  spool.rig.settle_all("a", relayed());
  spool.rig.finish();
  CHECK(spool.rig.closed == std::vector<std::string>{"a"});
  CHECK_FALSE(spool.disk.contents("cur/a"));
  const auto status = spool.rig.status("a");
  CHECK(status["final"] == true);
  CHECK(status["serial"] == 1);
  CHECK(status["counts"]["relayed"] == 2);
  const auto events = spool.rig.results();
  REQUIRE(events.size() == 2);
  CHECK(events[0]["seq"] == 1);
  CHECK(events[1]["seq"] == 2);
  CHECK(events[1]["event"] == "relayed");
  CHECK(events[1]["final_recipient"] == "rfc822; bob@d2.example");
  CHECK(events[1]["attempts"] == 1);
  CHECK_FALSE(spool.rig.ids.find("a"));
}

TEST_CASE("each step is taken only when the one before it is durable") {
  Spool spool;
  spool.rig.claim("a");
  spool.rig.settle_all("a", relayed());
  std::vector<std::string> steps;
  spool.disk.set_fault([&](Operation operation, std::string_view path) {
    if (operation == Operation::sync_data && path.starts_with("journal/"))
      steps.emplace_back("journal synced");
    if (operation == Operation::append && path.starts_with("results/"))
      steps.emplace_back("results appended");
    if (operation == Operation::rename && path.starts_with("status/")) steps.emplace_back("status in place");
    if (operation == Operation::sync_all) steps.emplace_back("all synced");
    if (operation == Operation::remove && path == "cur/a") steps.emplace_back("left cur");
    return 0;
  });
  spool.rig.finish();
  CHECK(steps == std::vector<std::string>{"journal synced", "results appended", "status in place",
                                          "all synced", "left cur"});
}

TEST_CASE("outcomes gather for one commit, and final statuses for one sync") {
  Spool spool;
  spool.rig.claim("a");
  spool.rig.claim("b");
  int syncs = 0, commits = 0;
  spool.disk.set_fault([&](Operation operation, std::string_view) {
    syncs += operation == Operation::sync_all;
    commits += operation == Operation::sync_data;
    return 0;
  });
  spool.rig.settle("a", {0}, relayed());
  spool.rig.pass(2ms);
  spool.rig.settle("a", {1}, failed_for_good());
  spool.rig.pass(1ms);
  CHECK(commits == 0);
  spool.rig.settle_all("b", relayed());
  spool.rig.pass(1ms);
  CHECK(commits == 1);
  spool.rig.pass(49ms);
  CHECK(syncs == 0);
  spool.rig.pass(1ms);
  CHECK(syncs == 1);
  CHECK(spool.rig.closed.size() == 2);
}

TEST_CASE("a recipient that has a final action keeps it") {
  Spool spool;
  spool.rig.claim("a");
  spool.rig.settle("a", {0}, relayed());
  spool.rig.settle("a", {1, 0, 1, 7}, failed_for_good());
  spool.rig.finish();
  CHECK(spool.rig.status("a")["recipients"][0]["action"] == "relayed");
  CHECK(spool.rig.status("a")["recipients"][1]["action"] == "failed");
  CHECK(spool.rig.results().size() == 2);
}

TEST_CASE("the first status comes a second after claim, then at most one each interval") {
  Spool spool;
  spool.rig.claim("a");
  spool.rig.pass(999ms);
  CHECK(spool.rig.status("a").is_null());
  spool.rig.pass(1ms);
  CHECK(spool.rig.status("a")["counts"]["queued"] == 2);
  CHECK(spool.rig.status("a")["final"] == false);
  const std::size_t jobs = spool.rig.jobs;
  spool.rig.pass(20s);
  CHECK(spool.rig.jobs <= jobs + 1); // nothing changed
  spool.rig.settle("a", {0}, relayed());
  spool.rig.pass(30s);
  CHECK(spool.rig.status("a")["counts"]["queued"] == 2);
  spool.rig.pass(10s);
  CHECK(spool.rig.status("a")["counts"]["relayed"] == 1);
  CHECK(spool.rig.status("a")["serial"] == 2);
}

TEST_CASE("the first delay of a message is told of within a second, whatever the interval") {
  Spool spool;
  spool.rig.claim("a");
  spool.rig.pass(5s);
  spool.rig.settle("a", {1}, delayed_until(spool.rig.now.wall + 5min));
  spool.rig.pass(999ms);
  CHECK(spool.rig.status("a")["counts"]["delayed"] == 1);
  CHECK(spool.rig.status("a")["recipients"][1]["next_attempt_date"] == "2026-11-23T00:05:05.000Z");
  spool.rig.settle("a", {0}, delayed_until(spool.rig.now.wall + 5min));
  spool.rig.pass(5s);
  CHECK(spool.rig.status("a")["counts"]["delayed"] == 1); // the next one waits for the interval
  spool.rig.pass(60s);
  CHECK(spool.rig.status("a")["counts"]["delayed"] == 2);
}

TEST_CASE("a status never shows an outcome that the journal doesn't have") {
  Spool spool;
  spool.rig.claim("a");
  spool.rig.claim("b");
  spool.rig.pass(980ms);
  spool.rig.settle_all("b", relayed());
  spool.rig.pass(10ms); // durable; to be published soon
  spool.disk.set_fault([](Operation operation, std::string_view path) {
    return operation == Operation::append && path.starts_with("journal/") ? ENOSPC : 0;
  });
  spool.rig.settle("a", {0}, relayed());
  spool.rig.pass(10s);
  CHECK(spool.rig.closed == std::vector<std::string>{"b"});
  CHECK(spool.rig.status("a").is_null());
  spool.disk.set_fault({});
  spool.rig.pass(2s);
  CHECK(spool.rig.status("a")["counts"]["relayed"] == 1);
}

TEST_CASE("with files = failed only a message with a failure or delay has a status file") {
  MemoryDisk disk;
  LedgerConfig config = LedgerRig::standard();
  config.files = LedgerConfig::Files::failed;
  LedgerRig rig(disk, config);
  rig.recover();
  disk.put("new/a", drop_for({"ann@d1.example", "bob@d2.example"}));
  disk.put("new/b", drop_for({"cy@d3.example"}));
  disk.put("new/c", drop_for({"di@d3.example"}));
  for (const char* id : {"a", "b", "c"}) rig.claim(id);
  rig.pass(2s);
  CHECK(rig.status("a").is_null());
  rig.settle_all("a", relayed());
  rig.settle_all("b", failed_for_good());
  rig.settle_all("c", delayed_until(rig.now.wall + 1min));
  rig.pass(2s);
  CHECK(rig.status("a").is_null());
  CHECK(rig.status("b")["final"] == true);
  CHECK(rig.status("c")["final"] == false);
  rig.settle_all("c", relayed()); // its file must not stay behind unfinished
  rig.finish();
  CHECK(rig.status("c")["final"] == true);
  CHECK(rig.closed.size() == 3);
}

TEST_CASE("with files = none all but the status file is the same") {
  MemoryDisk disk;
  LedgerConfig config = LedgerRig::standard();
  config.files = LedgerConfig::Files::none;
  LedgerRig rig(disk, config);
  rig.recover();
  disk.put("new/a", drop_for({"ann@d1.example"}));
  rig.claim("a");
  rig.settle_all("a", failed_for_good());
  int syncs = 0;
  disk.set_fault([&](Operation operation, std::string_view) {
    syncs += operation == Operation::sync_all;
    return 0;
  });
  rig.finish();
  CHECK(syncs == 1);
  CHECK(disk.list("status")->empty());
  CHECK(rig.results().size() == 1);
  CHECK(rig.closed == std::vector<std::string>{"a"});
}

TEST_CASE("a full disk delays, once or for long, and loses and doubles nothing") {
  const int code = GENERATE(ENOSPC, EDQUOT, EROFS);
  const auto where = GENERATE("journal/", "results/", "status/");
  const int times = GENERATE(1, 40);
  Spool spool;
  spool.rig.claim("a");
  spool.rig.claim("b");
  int left = times;
  spool.disk.set_fault([&](Operation operation, std::string_view path) {
    const bool writes = operation == Operation::append || operation == Operation::create;
    return writes && path.starts_with(where) && left-- > 0 ? code : 0;
  });
  spool.rig.settle_all("a", relayed());
  spool.rig.pass(100ms);
  CHECK(spool.rig.ledger.health().state ==
        (code == EROFS ? LedgerHealth::State::read_only : LedgerHealth::State::full));
  CHECK_FALSE(spool.rig.ledger.health().text.empty());
  spool.rig.settle_all("b", relayed());
  CHECK(spool.rig.closed.empty());
  spool.rig.pass(120s);
  CHECK(spool.rig.ledger.health().state == LedgerHealth::State::good);
  CHECK(spool.rig.closed.size() == 2);
  CHECK(spool.rig.results().size() == 3);
  CHECK(spool.rig.status("a")["counts"]["relayed"] == 2);

  spool.disk.set_fault({});
  LedgerRig next(spool.disk);
  CHECK(next.recover().messages.empty());
  CHECK(next.recovered.warnings.empty()); // no torn record was left
}

TEST_CASE("what is durable in the journal isn't written there again while results wait for space") {
  Spool spool;
  spool.rig.claim("a");
  int failures = 3;
  spool.disk.set_fault([&](Operation operation, std::string_view path) {
    return operation == Operation::append && path.starts_with("results/") && failures-- > 0 ? ENOSPC : 0;
  });
  spool.rig.settle("a", {0}, delayed_until(spool.rig.now.wall + 1min));
  spool.rig.pass(10s);
  LedgerRig next(spool.disk);
  next.recover();
  CHECK(next.message("a").attempts(0) == 1);
}

TEST_CASE("a sync that failed is never tried again") {
  const auto failing = GENERATE(Operation::sync_data, Operation::sync_all);
  Spool spool;
  spool.rig.claim("a");
  int tries = 0;
  spool.disk.set_fault(
      [&](Operation operation, std::string_view) { return operation == failing && ++tries == 1 ? EIO : 0; });
  spool.rig.settle_all("a", relayed());
  spool.rig.pass(60s);
  CHECK(tries == 1);
  CHECK(spool.rig.ledger.health().state == LedgerHealth::State::broken);
  CHECK(spool.rig.closed.empty());
  CHECK(spool.disk.contents("cur/a"));
  CHECK_FALSE(spool.rig.ledger.deadline());
}

TEST_CASE("after a failed sync of the journal a new start finds what is really there") {
  Spool spool;
  spool.rig.claim("a");
  spool.disk.set_fault(
      [](Operation operation, std::string_view) { return operation == Operation::sync_data ? EIO : 0; });
  spool.rig.settle("a", {0}, relayed());
  spool.rig.pass(1s);
  spool.disk.set_fault({});
  LedgerRig next(spool.disk);
  next.recover();
  REQUIRE(next.has("a"));
  next.settle("a", {1}, relayed());
  next.finish();
  CHECK(next.closed == std::vector<std::string>{"a"});
}

TEST_CASE("a condemned message goes to bad with a final status and one event") {
  Spool spool;
  Message& message = spool.rig.claim("a");
  spool.rig.settle("a", {0}, relayed());
  spool.rig.ledger.condemn(message, {DropProblem::Kind::refused, "changed", "the file was changed", 0},
                           spool.rig.now);
  spool.rig.settle("a", {1}, relayed()); // too late
  spool.disk.put("bad/a", "another of that name");
  spool.rig.finish();
  CHECK(spool.rig.closed == std::vector<std::string>{"a"});
  CHECK_FALSE(spool.disk.contents("cur/a"));
  CHECK(spool.disk.contents("bad/a~1") == drop_for({"ann@d1.example", "bob@d2.example"}));
  const auto status = spool.rig.status("a");
  CHECK(status["final"] == true);
  CHECK(status["error"]["code"] == "changed");
  REQUIRE(status["recipients"].size() == 1); // who has it already
  CHECK(status["recipients"][0]["final_recipient"] == "rfc822; ann@d1.example");
  const auto events = spool.rig.results();
  REQUIRE(events.size() == 2);
  CHECK(events[1]["event"] == "refused");
  CHECK(events[1]["id"] == "a");
}

TEST_CASE("a refused drop is an event in the results") {
  Spool spool;
  spool.rig.ledger.refused({"x~1", "x", {DropProblem::Kind::refused, "truncated", "no final dot", 17}},
                           spool.rig.now);
  spool.rig.finish();
  const auto events = spool.rig.results();
  REQUIRE(events.size() == 1);
  CHECK(events[0]["event"] == "refused");
  CHECK(events[0]["id"] == "x~1");
  CHECK(events[0]["name"] == "x");
  CHECK(events[0]["error"]["code"] == "truncated");
  CHECK(events[0]["error"]["line"] == 17);
}

TEST_CASE("an idle ledger does no disk work, and lets the last segments go before") {
  MemoryDisk disk;
  LedgerConfig config = LedgerRig::standard();
  config.segment_size = 1;
  LedgerRig rig(disk, config);
  rig.recover();
  for (int n = 0; n < 5; ++n) {
    const std::string id = "m" + std::to_string(n);
    disk.put("new/" + id, drop_for({"ann@d1.example"}));
    rig.claim(id);
    rig.settle_all(id, relayed());
    rig.finish();
  }
  CHECK(rig.closed.size() == 5);
  rig.pass(70s);                     // the first tidying is over, too
  CHECK(segments(disk).size() == 1); // the newest has the numbers to go on with
  const std::uint64_t changes = disk.changes();
  rig.pass(50min);
  CHECK(disk.changes() == changes);
}

TEST_CASE("a segment goes only after a sync that began after its messages left the queue") {
  MemoryDisk disk;
  LedgerConfig config = LedgerRig::standard();
  config.segment_size = 1;
  LedgerRig rig(disk, config);
  rig.recover();
  std::set<std::string> not_synced;
  bool too_early = false;
  disk.set_fault([&](Operation operation, std::string_view path) {
    if (operation == Operation::remove && path.starts_with("cur/")) not_synced.emplace(path);
    if (operation == Operation::sync_all) not_synced.clear();
    if (operation == Operation::remove && path == "journal/segment-000000000001")
      too_early = too_early || not_synced.contains("cur/a");
    if (operation == Operation::remove && path == "journal/segment-000000000002")
      too_early = too_early || not_synced.contains("cur/b");
    return 0;
  });
  for (const char* id : {"a", "b"}) {
    disk.put(std::string("new/") + id, drop_for({"ann@d1.example"}));
    rig.claim(id);
    rig.settle_all(id, relayed());
    rig.finish();
  }
  CHECK_FALSE(disk.contents("journal/segment-000000000001")); // with the sync for b
  rig.ledger.refused({"x", "x", {}}, rig.now);                // begins the third segment
  rig.pass(5s);
  CHECK_FALSE(disk.contents("journal/segment-000000000002")); // with a sync of its own
  CHECK_FALSE(too_early);
}

TEST_CASE("a few messages that are tried for days don't keep all segments") {
  MemoryDisk disk;
  LedgerConfig config = LedgerRig::standard();
  config.segment_size = 2'000;
  LedgerRig rig(disk, config);
  rig.recover();
  disk.put("new/slow", drop_for({"ann@d1.example", "bob@d2.example", "cy@d3.example"}));
  rig.claim("slow");
  for (int n = 0; n < 200; ++n) {
    const std::string id = "m" + std::to_string(n);
    disk.put("new/" + id, drop_for({"ann@d1.example", "bob@d2.example"}));
    rig.claim(id);
    rig.settle_all(id, relayed());
    if (n % 5 == 0) rig.settle("slow", {0, 2}, delayed_until(rig.now.wall + 1min));
    rig.pass(100ms);
  }
  rig.pass(5s);
  CHECK(segments(disk).size() < 14);
  LedgerRig next(disk);
  next.recover();
  REQUIRE(next.has("slow"));
  CHECK(next.message("slow").attempts(0) == 40);
  CHECK(next.message("slow").attempts(1) == 0);
  CHECK(next.message("slow").attempts(2) == 40);
  CHECK(next.message("slow").counts().delayed == 2);
}

TEST_CASE("hurry makes all that is pending due now") {
  Spool spool;
  spool.rig.claim("a");
  spool.rig.claim("b");
  spool.rig.settle_all("a", relayed());
  spool.rig.settle_all("b", delayed_until(spool.rig.now.wall + 1h));
  CHECK_FALSE(spool.rig.ledger.idle());
  spool.rig.ledger.hurry();
  spool.rig.work();
  CHECK(spool.rig.ledger.idle());
  CHECK(spool.rig.closed == std::vector<std::string>{"a"});
  CHECK(spool.rig.status("b")["counts"]["delayed"] == 1);
}

TEST_CASE("final statuses and rotated results go when they were kept long enough") {
  MemoryDisk disk;
  LedgerConfig config = LedgerRig::standard();
  config.status_keep = 1h;
  config.results_keep = 1h;
  LedgerRig rig(disk, config);
  rig.recover();
  disk.set_time(std::chrono::nanoseconds(rig.now.wall.time_since_epoch()).count());
  for (const char* path : {"status/old.json", "status/.half.tmp",
                           "results/results-20261101T000000.000Z.ndjson", "results/notes", "status/kept.txt"})
    disk.put(path, "x");
  disk.put("new/a", drop_for({"ann@d1.example"}));
  rig.claim("a");
  rig.pass(2h);
  CHECK(*disk.list("status") == std::vector<std::string>{"a.json", "kept.txt"});
  CHECK(*disk.list("results") == std::vector<std::string>{"notes"});
}
