// Notices on their way: from outcomes to drops in new/, over crashes.
#include "spool/drop/format.h"
#include "spool/notice/notice.h"
#include "tests/spool/ledger_rig.h"

#include <catch2/catch.hpp>

#include <cerrno>

using namespace bulkmail;
using namespace bulkmail::spool;
using namespace std::chrono_literals;
using Operation = MemoryDisk::Operation;

namespace {

std::string asked_drop(std::string_view parameters, std::size_t recipients, std::string_view notify = {}) {
  std::string drop = "MAIL FROM:<list@example.org>" + std::string(parameters) + "\n";
  for (std::size_t n = 0; n < recipients; ++n)
    drop += "RCPT TO:<u" + std::to_string(n) + "@d1.example>" + std::string(notify) + "\n";
  return drop + "DATA\nSubject: hello\n\nHello.\n.\n";
}

LedgerConfig with_dsn(LedgerConfig::Dsn dsn) {
  LedgerConfig config = LedgerRig::standard();
  config.dsn = dsn;
  return config;
}

struct Spool {
  explicit Spool(const std::string& drop, LedgerConfig::Dsn dsn = LedgerConfig::Dsn::automatic)
      : rig(disk, with_dsn(dsn)) {
    rig.recover();
    disk.put("new/a", drop);
    rig.claim("a");
  }

  MemoryDisk disk;
  LedgerRig rig;
};

std::vector<std::string> notices(MemoryDisk& disk) {
  auto names = *disk.list("new");
  std::erase_if(names, [](const std::string& name) { return !name.starts_with("notice."); });
  std::sort(names.begin(), names.end());
  return names;
}

// How many recipients a notice tells of with this action.
std::size_t tells(MemoryDisk& disk, const std::string& name, const std::string& action) {
  const std::string text = disk.contents("new/" + name).value_or("");
  std::size_t count = 0;
  for (std::size_t at = 0; (at = text.find("\r\nAction: " + action + "\r\n", at)) != text.npos; ++at) ++count;
  return count;
}

} // namespace

TEST_CASE("A message that asks for notices has its failures told in one, durable before it leaves") {
  Spool spool(asked_drop(" XDSN", 3));
  std::vector<std::string> steps;
  spool.disk.set_fault([&](Operation operation, std::string_view path) {
    if (operation == Operation::sync_data && path.starts_with("journal/"))
      steps.emplace_back("journal synced");
    if (operation == Operation::rename_new && path.starts_with("tmp/notice"))
      steps.emplace_back("notice in new");
    if (operation == Operation::sync_all) steps.emplace_back("all synced");
    if (operation == Operation::remove && path == "cur/a") steps.emplace_back("left cur");
    return 0;
  });
  spool.rig.settle("a", {0, 2}, failed_for_good());
  spool.rig.settle("a", {1}, relayed());
  spool.rig.pass(1s);
  CHECK(steps ==
        std::vector<std::string>{"journal synced", "all synced", "notice in new", "all synced", "left cur"});
  REQUIRE(notices(spool.disk) == std::vector<std::string>{"notice.1-1"});
  CHECK(spool.rig.ledger.take_dropped() == std::vector<std::string>{"notice.1-1"});
  CHECK(tells(spool.disk, "notice.1-1", "failed") == 2);
  const auto parsed = parse_drop(*spool.disk.contents("new/notice.1-1"));
  REQUIRE(parsed);
  CHECK(parsed->envelope.sender().empty());
  CHECK(parsed->envelope.recipient(0).address == "list@example.org");
  CHECK_FALSE(spool.rig.ledger.owes_notices());
}

TEST_CASE("A direct drop is told of by its status alone, unless all are to be noticed") {
  Spool quiet(asked_drop("", 1));
  quiet.rig.settle_all("a", failed_for_good());
  quiet.rig.finish();
  CHECK(notices(quiet.disk).empty());
  Spool loud(asked_drop("", 1), LedgerConfig::Dsn::on);
  loud.rig.settle_all("a", failed_for_good());
  loud.rig.finish();
  CHECK(notices(loud.disk).size() == 1);
  Spool silent(asked_drop(" XDSN", 1, " NOTIFY=FAILURE"), LedgerConfig::Dsn::off);
  silent.rig.settle_all("a", failed_for_good());
  silent.rig.finish();
  CHECK(notices(silent.disk).empty());
}

TEST_CASE("What somebody cancelled is told of by its status alone") {
  Spool spool(asked_drop(" XDSN", 2, " NOTIFY=FAILURE"));
  Outcome cancelled = failed_for_good();
  cancelled.source = Source::local;
  cancelled.diagnostic_code = "x-bulkmail; cancelled by hand";
  spool.rig.settle("a", {0}, cancelled);
  spool.rig.settle("a", {1}, failed_for_good());
  spool.rig.finish();
  REQUIRE(notices(spool.disk).size() == 1);
  CHECK(tells(spool.disk, notices(spool.disk).front(), "failed") == 1);
}

TEST_CASE("A notice is never about a notice") {
  Spool spool(asked_drop(" XDSN", 1), LedgerConfig::Dsn::on);
  spool.rig.settle_all("a", failed_for_good());
  spool.rig.finish();
  spool.rig.claim("notice.1-1");
  spool.rig.settle_all("notice.1-1", failed_for_good());
  spool.rig.finish();
  CHECK(notices(spool.disk).empty());
  CHECK(spool.rig.closed.size() == 2);
}

TEST_CASE("Failures don't wait for the slowest recipient, and are told once") {
  Spool spool(asked_drop(" XDSN", 3));
  spool.rig.settle("a", {0}, failed_for_good());
  spool.rig.settle("a", {2}, delayed_until(spool.rig.now.wall + 5min));
  spool.rig.pass(59s);
  CHECK(notices(spool.disk).empty());
  spool.rig.pass(2s);
  REQUIRE(notices(spool.disk) == std::vector<std::string>{"notice.1-1"});
  CHECK(tells(spool.disk, "notice.1-1", "failed") == 1);
  spool.rig.settle("a", {1}, failed_for_good());
  spool.rig.pass(70s);
  REQUIRE(notices(spool.disk).size() == 2);
  CHECK(tells(spool.disk, "notice.1-2", "failed") == 1);
  CHECK(spool.disk.contents("new/notice.1-2")->find("Final-Recipient: rfc822; u1@d1.example") !=
        std::string::npos);
  spool.rig.settle("a", {2}, relayed());
  spool.rig.finish();
  CHECK(notices(spool.disk).size() == 2);
  CHECK(spool.rig.closed.size() == 1);
}

TEST_CASE("What was told before a restart is not told after it, what was not is") {
  Spool spool(asked_drop(" XDSN", 3));
  spool.rig.settle("a", {0}, failed_for_good());
  spool.rig.pass(65s);
  REQUIRE(notices(spool.disk).size() == 1);
  REQUIRE(spool.disk.remove("new/notice.1-1")); // it was sent
  spool.rig.settle("a", {1}, failed_for_good());
  spool.rig.pass(100ms);                    // durable, and nobody told
  for (int start = 0; start < 3; ++start) { // each writes all states anew
    LedgerRig again(spool.disk, LedgerRig::standard());
    again.recover();
    if (start < 2)
      again.pass(start == 0 ? 0s : 1s);
    else
      again.finish();
  }
  REQUIRE(notices(spool.disk) == std::vector<std::string>{"notice.1-2"});
  CHECK(tells(spool.disk, "notice.1-2", "failed") == 1);
  LedgerRig last(spool.disk, LedgerRig::standard());
  last.recover();
  last.settle("a", {2}, relayed());
  last.finish();
  CHECK(notices(spool.disk) == std::vector<std::string>{"notice.1-2"});
  CHECK(last.closed == std::vector<std::string>{"a"});
}

TEST_CASE("A crash between a notice and the record of it writes the same bytes again") {
  Spool spool(asked_drop(" XDSN", 2));
  spool.rig.settle("a", {0}, failed_for_good());
  bool dropped = false;
  spool.disk.set_fault([&](Operation operation, std::string_view path) {
    if (operation == Operation::rename_new && path.starts_with("tmp/notice")) dropped = true;
    return dropped && operation == Operation::sync_all ? EIO : 0; // and so the ledger stops there
  });
  spool.rig.pass(65s);
  const auto bytes = spool.disk.contents("new/notice.1-1");
  REQUIRE(bytes);
  CHECK(spool.rig.ledger.health().state == LedgerHealth::State::broken);
  spool.disk.set_fault({});
  REQUIRE(spool.disk.remove("new/notice.1-1"));
  LedgerRig again(spool.disk, LedgerRig::standard());
  again.now.wall += 1h;
  again.recover();
  again.settle("a", {1}, failed_for_good()); // doesn't get into the notice that was decided on before
  again.finish();
  CHECK(spool.disk.contents("new/notice.1-1") == bytes);
  CHECK(tells(spool.disk, "notice.1-2", "failed") == 1);
}

TEST_CASE("Thousands of failures make notices of bearable size") {
  const std::size_t many = 2 * recipients_per_notice + 1;
  Spool spool(asked_drop(" XDSN", many));
  spool.rig.settle_all("a", failed_for_good());
  spool.rig.finish();
  REQUIRE(notices(spool.disk).size() == 3);
  CHECK(tells(spool.disk, "notice.1-1", "failed") == recipients_per_notice);
  CHECK(tells(spool.disk, "notice.1-3", "failed") == 1);
}

TEST_CASE("A delay is told of once it lasts, where that was asked for, and once") {
  Spool spool(asked_drop("", 2, " NOTIFY=DELAY,FAILURE"));
  const auto delay = [&] { spool.rig.settle_all("a", delayed_until(spool.rig.now.wall + 1h)); };
  delay();
  spool.rig.pass(3h);
  delay();
  spool.rig.pass(2min);
  CHECK(notices(spool.disk).empty());
  spool.rig.pass(1h);
  delay();
  spool.rig.pass(2min);
  REQUIRE(notices(spool.disk).size() == 1);
  CHECK(tells(spool.disk, "notice.1-1", "delayed") == 2);
  LedgerRig again(spool.disk, LedgerRig::standard());
  again.now.wall = spool.rig.now.wall;
  again.recover();
  again.settle_all("a", delayed_until(again.now.wall + 1h));
  again.pass(2min);
  CHECK(notices(spool.disk).size() == 1);
}

TEST_CASE("Success is told of where the next host does not do that itself") {
  Spool spool(asked_drop("", 3, " NOTIFY=SUCCESS"));
  Outcome taken_over = relayed();
  taken_over.dsn_taken_over = true;
  spool.rig.settle("a", {0}, taken_over);
  spool.rig.settle("a", {1}, relayed());
  spool.rig.settle("a", {2}, failed_for_good());
  spool.rig.finish();
  REQUIRE(notices(spool.disk).size() == 1);
  CHECK(tells(spool.disk, "notice.1-1", "relayed") == 1);
  CHECK(tells(spool.disk, "notice.1-1", "failed") == 0);
}

TEST_CASE("A full disk puts a notice off, and its message stays") {
  Spool spool(asked_drop(" XDSN", 1));
  bool full = true;
  spool.disk.set_fault([&](Operation operation, std::string_view path) {
    return full && operation == Operation::append && path.starts_with("tmp/") ? ENOSPC : 0;
  });
  spool.rig.settle_all("a", failed_for_good());
  spool.rig.pass(10s);
  CHECK(notices(spool.disk).empty());
  CHECK(spool.disk.contents("cur/a"));
  CHECK(spool.rig.ledger.owes_notices());
  full = false;
  spool.rig.finish();
  CHECK(notices(spool.disk).size() == 1);
  CHECK_FALSE(spool.disk.contents("cur/a"));
}

TEST_CASE("Nobody is told of a message whose file was changed") {
  Spool spool(asked_drop(" XDSN", 2));
  spool.rig.settle("a", {0}, failed_for_good());
  spool.rig.ledger.condemn(spool.rig.message("a"),
                           {DropProblem::Kind::refused, "changed", "it was changed", 0}, spool.rig.now);
  spool.rig.finish();
  CHECK(notices(spool.disk).empty());
  CHECK(spool.rig.ledger.idle());
}

TEST_CASE("A stop tells at once what waits for company") {
  Spool spool(asked_drop(" XDSN", 2));
  spool.rig.settle("a", {0}, failed_for_good());
  spool.rig.pass(10ms);
  spool.rig.ledger.hurry();
  spool.rig.pass(10ms);
  CHECK(notices(spool.disk).size() == 1);
  CHECK(spool.rig.ledger.idle());
}
