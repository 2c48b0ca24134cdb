// Three messages with two or three recipients each on their whole way, stopped at every single change to the disk: by a crash of the
// program, and by a power cut with several of the states in which the machine may come up again.
#include "tests/seeded_dice.h"
#include "tests/spool/ledger_rig.h"

#include <catch2/catch.hpp>

#include <functional>
#include <map>
#include <set>

using namespace bulkmail;
using namespace bulkmail::spool;
using namespace std::chrono_literals;

namespace {

const std::vector<std::string> ids = {"a", "b", "c"};

// The world outside: what it saw stays true whatever happens to the machine.
struct Witness {
  // Outcomes that a final status told of before the machine stopped; a sync had made them durable if the file left cur/.
  std::map<std::string, nlohmann::json> last_status;
  std::set<std::string> left; // cur/, after its final status was synced
};

void prepare(MemoryDisk& disk) {
  LedgerRig rig(disk);
  rig.recover();
  for (const std::string& id : ids) {
    std::vector<std::string> recipients{"ann@" + id + ".example", "bob@" + id + ".example"};
    if (id == "b") recipients.push_back("cy@b.example");
    disk.put("new/" + id, drop_for(recipients));
  }
  static_cast<void>(disk.sync_all());
}

// Claims all, relays the first recipients, delays the second of b and fails its third, fails that of c; then everything to
// its end.
void live(LedgerRig& rig, const std::function<void()>& after_each_step) {
  rig.recover();
  for (const std::string& id : ids) {
    if (rig.disk.contents("new/" + id)) rig.claim(id);
    after_each_step();
  }
  const auto work = [&](milliseconds time) {
    for (int part = 0; part < 4; ++part) {
      rig.pass(time / 4);
      after_each_step();
    }
  };
  for (const std::string& id : ids)
    if (rig.has(id)) rig.settle(id, {0}, relayed());
  if (rig.has("b")) rig.settle("b", {1}, delayed_until(rig.now.wall + 5min));
  if (rig.has("b")) rig.settle("b", {2}, failed_for_good());
  work(2s);
  if (rig.has("c")) rig.settle("c", {1}, failed_for_good());
  if (rig.has("a")) rig.settle("a", {1}, relayed());
  work(2s);
  if (rig.has("b")) rig.settle("b", {1}, relayed());
  work(4s);
}

LedgerConfig small_segments() {
  LedgerConfig config = LedgerRig::standard();
  config.segment_size = 300; // so that segments come and go in this short life
  config.results_rotate = 1'200;
  config.dsn = LedgerConfig::Dsn::on;
  config.status_interval = 1s; // and notices of a message that goes on
  return config;
}

std::vector<nlohmann::json> all_results(MemoryDisk& disk) {
  std::vector<nlohmann::json> events;
  auto names = *disk.list("results");
  for (const std::string& name : names) {
    std::string bytes = *disk.contents("results/" + name), line;
    for (std::size_t start = 0, end = 0; (end = bytes.find('\n', start)) != std::string::npos;
         start = end + 1)
      events.push_back(nlohmann::json::parse(bytes.substr(start, end - start)));
  }
  return events;
}

using Actions = std::map<std::string, std::vector<Action>>;

Actions actions_in(LedgerRig& rig) {
  Actions actions;
  for (const auto& [id, message] : rig.messages)
    for (std::size_t n = 0; n < message->recipients(); ++n) actions[id].push_back(message->action(n));
  return actions;
}

// What must hold on any disk that a machine comes up with.
void check_recovers(MemoryDisk& disk, const Witness& witness) {
  LedgerRig rig(disk, small_segments());
  rig.recover();
  const Actions found = actions_in(rig);
  for (const std::string& id : ids) {
    const bool queued = rig.has(id) || disk.contents("new/" + id).has_value();
    const bool told = !queued && rig.status(id).is_object() && rig.status(id)["final"] == true;
    INFO(id << (queued ? " queued" : "") << (told ? " told" : ""));
    CHECK((queued || told));
    if (witness.left.contains(id)) {
      const nlohmann::json& status = rig.status(id);
      CHECK(status["final"] == true);
    }
    // What a status told of, the journal had durably: it can't be queued again.
    const auto seen = witness.last_status.find(id);
    if (seen == witness.last_status.end() || !rig.has(id)) continue;
    for (std::size_t n = 0; n < 2; ++n) {
      const std::string before = seen->second["recipients"][n]["action"];
      if (before == "relayed" || before == "failed") CHECK(to_string(found.at(id)[n]) == before);
    }
  }

  { // a recovery of this recovery finds the same
    LedgerRig again(disk, small_segments());
    again.recover();
    CHECK(actions_in(again) == found);
  }

  // And it can be brought to its end, each recipient with its one final action.
  LedgerRig last(disk, small_segments());
  live(last, [] {});
  last.finish();
  for (const std::string& id : ids) {
    INFO(id);
    const auto status = last.status(id);
    REQUIRE(status.is_object());
    CHECK(status["final"] == true);
    CHECK(status["counts"]["queued"] == 0);
    CHECK_FALSE(disk.contents("cur/" + id));
    CHECK_FALSE(disk.contents("new/" + id));
  }
  std::set<std::uint64_t> seqs;
  std::map<std::pair<std::string, std::string>, int> finals;
  for (const nlohmann::json& event : all_results(disk)) {
    CHECK(seqs.insert(event["seq"].get<std::uint64_t>()).second); // none twice
    if (event["event"] == "relayed" || event["event"] == "failed")
      ++finals[{event["id"], event["final_recipient"]}];
  }
  CHECK(finals.size() == 7);
  for (const auto& [recipient, count] : finals) CHECK(count == 1);
  // Senders were told of both failures, each in one notice.
  std::map<std::string, int> told;
  const auto dropped = *disk.list("new");
  for (const std::string& name : dropped) {
    const std::string notice = *disk.contents("new/" + name);
    REQUIRE(parse_drop(notice));
    for (const std::string address : {"cy@b.example", "bob@c.example"})
      if (notice.find("Final-Recipient: rfc822; " + address) != notice.npos) ++told[address];
  }
  CHECK(told == std::map<std::string, int>{{"cy@b.example", 1}, {"bob@c.example", 1}});
  last.pass(70s);
  CHECK(disk.list("journal")->size() <= 1 + 1);
}

// Lives until the given change; false: it wasn't reached.
bool live_until(MemoryDisk& disk, std::uint64_t change, Witness& witness) {
  prepare(disk);
  disk.crash_at_change(disk.changes() + change);
  const auto look = [&] {
    for (const std::string& id : ids) {
      const auto bytes = disk.contents(status_path(id));
      if (bytes) witness.last_status[id] = nlohmann::json::parse(*bytes); // never half written
      const bool claimed = !disk.contents("new/" + id);
      if (claimed && !disk.contents("cur/" + id)) witness.left.insert(id);
    }
  };
  try {
    LedgerRig rig(disk, small_segments());
    live(rig, look);
  } catch (const simulation::Crashed&) {
    look();
    return true;
  }
  return false;
}

} // namespace

TEST_CASE("a crash of the program at any change to the disk loses nothing") {
  for (std::uint64_t change = 1;; ++change) {
    MemoryDisk disk;
    Witness witness;
    const bool crashed = live_until(disk, change, witness);
    INFO("crashed at change " << change);
    disk.restart();
    check_recovers(disk, witness);
    if (!crashed) break;
  }
}

TEST_CASE("a power cut at any change to the disk loses nothing that was accepted or told") {
  const auto profile = GENERATE(MemoryDisk::Profile::ordered, MemoryDisk::Profile::any);
  for (std::uint64_t change = 1;; ++change) {
    MemoryDisk disk(profile);
    Witness witness;
    const bool crashed = live_until(disk, change, witness);
    for (std::uint64_t seed = 0; seed < 6; ++seed) {
      INFO("power cut at change " << change << ", state " << seed);
      test::SeededDice dice(change * 1'000 + seed);
      const auto after = disk.power_cut(dice);
      check_recovers(*after, witness);
    }
    if (!crashed) break;
  }
}

TEST_CASE("a power cut during a recovery changes nothing") {
  for (std::uint64_t change = 1; change < 40; ++change) {
    MemoryDisk disk(MemoryDisk::Profile::any);
    Witness witness;
    live_until(disk, 40, witness);
    test::SeededDice dice(change);
    const auto after = disk.power_cut(dice);
    after->crash_at_change(change);
    try {
      LedgerRig rig(*after, small_segments());
      rig.recover();
      rig.pass(1s);
    } catch (const simulation::Crashed&) {
    }
    INFO("second power cut at change " << change);
    const auto again = after->power_cut(dice);
    check_recovers(*again, witness);
  }
}
