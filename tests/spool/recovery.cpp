// One test for each row of the table of states in docs/spool-format.md, and what else a start may find.
#include "spool/drop/handling.h"
#include "tests/seeded_dice.h"
#include "tests/spool/ledger_rig.h"

#include <catch2/catch.hpp>

#include <cerrno>

using namespace bulkmail;
using namespace bulkmail::spool;
using namespace std::chrono_literals;
using Operation = MemoryDisk::Operation;

namespace {

constexpr const char* current_segment = "journal/segment-000000000001";

// A spool in which a first run claimed "a" for two recipients and journalled an outcome of the first of them.
struct Spool {
  explicit Spool(std::uint64_t segment_size = LedgerConfig().segment_size) {
    LedgerConfig config = LedgerRig::standard();
    config.segment_size = segment_size;
    LedgerRig rig(disk, config);
    rig.recover();
    disk.put("new/a", drop);
    rig.claim("a");
    rig.pass(1s);
    rig.settle("a", {0}, relayed());
    rig.pass(2s);
    number = rig.message("a").number();
    expires = rig.message("a").expires();
  }

  std::string drop = drop_for({"ann@d1.example", "bob@d2.example"});
  MemoryDisk disk;
  std::uint64_t number = 0;
  Wall expires;
};

// The rest of its way.
void finish(LedgerRig& rig, const std::string& id) {
  rig.settle_all(id, relayed());
  rig.finish();
  CHECK(rig.closed == std::vector<std::string>{id});
  CHECK(rig.status(id)["counts"]["relayed"] == 2);
  CHECK(rig.status(id)["final"] == true);
}

} // namespace

TEST_CASE("an empty folder becomes a spool") {
  MemoryDisk disk;
  LedgerRig rig(disk);
  CHECK(rig.recover().messages.empty());
  for (const char* folder : {"tmp", "new", "cur", "bad", "status", "results", "journal", "state"})
    CHECK(disk.info(folder)->kind == FileInfo::Kind::directory);
}

TEST_CASE("in cur/, journalled, not final: it goes on with its outcomes") {
  Spool spool;
  LedgerRig rig(spool.disk);
  rig.recover();
  REQUIRE(rig.has("a"));
  CHECK(rig.message("a").number() == spool.number);
  CHECK(rig.message("a").action(0) == Action::relayed);
  CHECK(rig.message("a").attempts(0) == 1);
  CHECK(rig.message("a").action(1) == Action::queued);
  CHECK(rig.message("a").expires() == spool.expires);
  CHECK(rig.message("a").facts()->envelope.recipient(1).address == "bob@d2.example");
  CHECK(rig.ids.find("a") == rig.message("a").facts()->digest);
  CHECK(rig.ids.next_number() > spool.number);
  finish(rig, "a");
  CHECK(rig.results().size() == 2); // no event twice
}

TEST_CASE("in cur/, journalled, all final: it is told of again and leaves") {
  Spool spool;
  {
    LedgerRig rig(spool.disk);
    rig.recover();
    rig.settle("a", {1}, relayed());
    rig.pass(10ms); // committed, not published
    CHECK(rig.status("a")["final"] == false);
  }
  LedgerRig rig(spool.disk);
  rig.recover();
  CHECK(rig.message("a").final());
  rig.finish();
  CHECK(rig.status("a")["final"] == true);
  CHECK(rig.closed == std::vector<std::string>{"a"});
  CHECK(rig.results().size() == 2);
}

TEST_CASE("in cur/, not journalled: it is taken anew") {
  Spool spool;
  spool.disk.put("cur/b~2", drop_for({"cy@d3.example"}));
  LedgerRig rig(spool.disk);
  rig.recover();
  REQUIRE(rig.has("b~2"));
  CHECK(rig.message("b~2").facts()->name == "b");
  CHECK(rig.message("b~2").number() > spool.number);
  CHECK(rig.message("b~2").expires() == rig.now.wall + LedgerConfig().expire);
  rig.pass(100ms);
  LedgerRig again(spool.disk); // from now on it is journalled
  again.recover();
  CHECK(again.message("b~2").number() == rig.message("b~2").number());
}

TEST_CASE("in cur/, not journalled, with a final status of the same bytes: its removal was lost") {
  Spool spool;
  {
    LedgerRig rig(spool.disk);
    rig.recover();
    finish(rig, "a");
  }
  const auto segments = spool.disk.list("journal");
  for (const std::string& name : *segments) REQUIRE(spool.disk.remove("journal/" + name));
  spool.disk.put("cur/a", spool.drop);
  LedgerRig rig(spool.disk);
  CHECK(rig.recover().messages.empty());
  CHECK_FALSE(spool.disk.contents("cur/a"));
  CHECK_FALSE(rig.ids.find("a"));
}

TEST_CASE("a message is never removed for a status that a power cut may take away") {
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    Spool spool(LedgerConfig().segment_size);
    std::string status;
    {
      LedgerRig rig(spool.disk);
      rig.recover();
      finish(rig, "a");
      status = *spool.disk.contents("status/a.json");
    }
    MemoryDisk disk;
    LedgerRig(disk).recover();
    disk.put("cur/a", spool.drop);
    REQUIRE(write_status_file(disk, "a", status)); // and not synced
    LedgerRig(disk).recover();
    test::SeededDice dice(seed);
    const auto after = disk.power_cut(dice);
    CHECK((after->contents("cur/a") || after->contents("status/a.json") == status));
  }
}

TEST_CASE("in cur/ with another stamp than the journalled message of that id: another, later message") {
  Spool spool;
  spool.disk.put("cur/a", drop_for({"cy@d3.example", "di@d3.example"}));
  LedgerRig rig(spool.disk);
  rig.recover();
  REQUIRE(rig.has("a"));
  CHECK(rig.message("a").number() > spool.number);
  CHECK(rig.message("a").counts().queued == 2);
}

TEST_CASE("in new/ with the stamp of a journalled message: the rename to cur/ was lost") {
  Spool spool;
  REQUIRE(spool.disk.rename_new("cur/a", "new/a"));
  LedgerRig rig(spool.disk);
  rig.recover();
  REQUIRE(rig.has("a"));
  CHECK(spool.disk.contents("cur/a"));
  CHECK_FALSE(spool.disk.contents("new/a"));
  CHECK(rig.message("a").action(0) == Action::relayed);
  finish(rig, "a");
}

TEST_CASE("in new/ and in cur/ at once: half of a rename") {
  Spool spool;
  spool.disk.link("cur/a", "new/a");
  LedgerRig rig(spool.disk);
  rig.recover();
  CHECK_FALSE(spool.disk.contents("new/a"));
  finish(rig, "a");
}

TEST_CASE("in new/ with another stamp: a drop like any other") {
  Spool spool;
  spool.disk.put("new/a", spool.drop);
  LedgerRig rig(spool.disk);
  rig.recover();
  CHECK(spool.disk.contents("new/a") == spool.drop);
  CHECK(rig.messages.size() == 1);
}

TEST_CASE("journalled, in neither: it is done") {
  Spool spool;
  REQUIRE(spool.disk.remove("cur/a"));
  LedgerRig rig(spool.disk);
  CHECK(rig.recover().messages.empty());
  CHECK(rig.ids.next_number() > spool.number);
}

TEST_CASE("in cur/, condemned: it goes to bad, and its event isn't told twice") {
  Spool spool;
  {
    LedgerRig rig(spool.disk);
    rig.recover();
    rig.ledger.condemn(rig.message("a"), {DropProblem::Kind::refused, "changed", "was changed", 0}, rig.now);
    rig.pass(10ms);
    CHECK(rig.results().size() == 2);
  }
  // What condemned it: its stamp is no more the journalled one.
  REQUIRE((*spool.disk.append_to("cur/a", 0600))->append("more"));
  LedgerRig rig(spool.disk);
  rig.recover();
  CHECK(rig.message("a").recipients() == 0);
  rig.finish();
  CHECK(spool.disk.contents("bad/a") == spool.drop + "more");
  CHECK(rig.status("a")["error"]["code"] == "changed");
  CHECK(rig.results().size() == 2);
  LedgerRig next(spool.disk);
  CHECK(next.recover().messages.empty());
  next.finish();
  CHECK(next.results().size() == 2);
}

TEST_CASE("in cur/, no message any more: to bad, with a status and an event") {
  Spool spool;
  spool.disk.put("cur/b", "");
  LedgerRig rig(spool.disk);
  rig.recover();
  rig.finish();
  CHECK(spool.disk.contents("bad/b") == "");
  CHECK(rig.status("b")["final"] == true);
  CHECK(rig.status("b")["error"].is_object());
  CHECK(rig.results().back()["event"] == "refused");
}

TEST_CASE("in cur/, unreadable: left there with all that is known of it") {
  Spool spool;
  spool.disk.set_fault([](Operation operation, std::string_view path) {
    return operation == Operation::read && path == "cur/a" ? EIO : 0;
  });
  {
    LedgerRig rig(spool.disk);
    CHECK(rig.recover().messages.empty());
    REQUIRE(rig.recovered.warnings.size() == 1);
    CHECK(rig.recovered.warnings[0].find("cur/a can't be read") == 0);
    CHECK(rig.ids.find("a")); // nobody else gets its id
    rig.pass(2h);
  }
  spool.disk.set_fault({});
  LedgerRig rig(spool.disk);
  rig.recover();
  CHECK(rig.message("a").action(0) == Action::relayed);
}

TEST_CASE("in cur/, no file: left alone") {
  Spool spool;
  spool.disk.put_other("cur/fifo");
  LedgerRig rig(spool.disk);
  CHECK(rig.recover().messages.size() == 1);
  CHECK(rig.recovered.warnings == std::vector<std::string>{"cur/fifo is no file; left alone"});
}

TEST_CASE("in cur/, crashed three starts: refused without being parsed") {
  Spool spool;
  spool.disk.set_fault([&](Operation operation, std::string_view path) -> int {
    if (operation == Operation::open_read && path == "cur/a") spool.disk.crash();
    return 0;
  });
  for (unsigned start = 0; start < HandlingMark::patience; ++start) {
    LedgerRig rig(spool.disk);
    CHECK_THROWS_AS(rig.recover(), simulation::Crashed);
    spool.disk.restart();
  }
  LedgerRig rig(spool.disk); // the fault is still there
  rig.recover();
  rig.finish();
  CHECK(spool.disk.contents("bad/a") == spool.drop);
  CHECK(rig.status("a")["error"]["code"] == "crashed");
}

TEST_CASE("a torn tail is cut, and said so") {
  const std::string whole = *Spool().disk.contents(current_segment);
  std::size_t told = 0;
  for (std::size_t length = 0; length <= whole.size(); ++length) {
    Spool spool;
    spool.disk.put(current_segment, whole.substr(0, length));
    LedgerRig rig(spool.disk);
    rig.recover();
    told += rig.recovered.warnings.size();
    REQUIRE(rig.has("a"));
    CHECK((rig.message("a").action(0) == Action::relayed) == (length == whole.size()));
    finish(rig, "a");
  }
  CHECK(told >= whole.size() - 4); // not where the cut falls between records
}

TEST_CASE("a damaged journal or another version stops all, and nothing is changed") {
  Spool spool(1); // a commit a segment: the first one's successor says how far it was good
  std::string bytes = *spool.disk.contents(current_segment);
  SECTION("a flipped bit") { bytes[bytes.size() - 1] = static_cast<char>(bytes.back() ^ 1); }
  SECTION("another version") { bytes[8] = 2; }
  spool.disk.put(current_segment, bytes);
  const std::uint64_t changes = spool.disk.changes();
  Ids ids;
  Ledger ledger(spool.disk, ids, LedgerRig::standard());
  const auto recovered = ledger.recover({});
  REQUIRE_FALSE(recovered);
  CHECK(recovered.error().text.find(current_segment) == 0);
  CHECK(recovered.error().text.find("nothing was changed") != std::string::npos);
  CHECK(spool.disk.changes() == changes);
  CHECK(*spool.disk.contents(current_segment) == bytes);
}

TEST_CASE("results that a crash lost are appended again, none twice") {
  const auto lose_behind = [](std::size_t length) {
    MemoryDisk disk;
    LedgerRig first(disk);
    first.recover();
    disk.put("new/a", drop_for({"ann@d1.example", "bob@d2.example"}));
    first.claim("a");
    first.settle("a", {0}, relayed());
    first.settle("a", {1}, delayed_until(first.now.wall));
    first.ledger.refused({"x", "x", {DropProblem::Kind::refused, "truncated", "", 0}}, first.now);
    first.pass(10ms); // committed; nothing was synced all over
    const std::string whole = *disk.contents("results/current.ndjson");
    REQUIRE(std::count(whole.begin(), whole.end(), '\n') == 3);
    disk.put("results/current.ndjson", whole.substr(0, length));
    if (length == std::string::npos) REQUIRE(disk.remove("results/current.ndjson"));
    LedgerRig rig(disk);
    rig.recover();
    rig.work();
    CHECK(disk.contents("results/current.ndjson") == whole);
    return whole.size();
  };
  const std::size_t size = lose_behind(std::string::npos);
  for (std::size_t length = 0; length <= size; ++length) lose_behind(length);
}

TEST_CASE("numbers never go back") {
  Spool spool;
  {
    LedgerRig rig(spool.disk);
    rig.recover();
    finish(rig, "a");
    rig.pass(70s); // old segments are gone
  }
  LedgerRig rig(spool.disk);
  rig.recover();
  spool.disk.put("new/b", drop_for({"cy@d3.example"}));
  CHECK(rig.claim("b").number() > spool.number);
  rig.settle_all("b", relayed());
  rig.finish();
  CHECK(rig.results().back()["seq"] == 3);
}

TEST_CASE("a serial never goes back") {
  Spool spool;
  LedgerRig rig(spool.disk);
  const auto before = rig.status("a")["serial"].get<std::uint32_t>();
  rig.recover();
  rig.pass(1s);
  CHECK(rig.status("a")["serial"].get<std::uint32_t>() > before);
}

TEST_CASE("a recovery of a recovery finds the same") {
  Spool spool;
  spool.disk.put("cur/b", drop_for({"cy@d3.example"}));
  std::vector<std::vector<Action>> seen;
  for (int start = 0; start < 4; ++start) {
    LedgerRig rig(spool.disk);
    rig.recover();
    std::vector<Action> actions;
    for (const auto& [id, message] : rig.messages)
      for (std::size_t n = 0; n < message->recipients(); ++n) actions.push_back(message->action(n));
    seen.push_back(actions);
    CHECK(rig.message("a").attempts(0) == 1);
    if (start % 2 == 1) rig.work(); // with and without what recovery has to write
  }
  for (const auto& actions : seen) CHECK(actions == seen.front());
}

TEST_CASE("a full disk at the start is no hindrance to starting") {
  Spool spool;
  bool full = true;
  spool.disk.set_fault([&](Operation operation, std::string_view) {
    return full && (operation == Operation::append || operation == Operation::create) ? ENOSPC : 0;
  });
  LedgerRig rig(spool.disk);
  rig.recover();
  rig.pass(5s);
  CHECK(rig.ledger.health().state == LedgerHealth::State::full);
  full = false;
  rig.pass(5s);
  CHECK(rig.ledger.health().state == LedgerHealth::State::good);
  finish(rig, "a");
}
