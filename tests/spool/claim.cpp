#include "spool/drop/claim.h"

#include "spool/digest.h"
#include "spool/layout.h"
#include "tests/seeded_dice.h"
#include "tests/simulation/memory_disk.h"

#include <catch2/catch.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <cerrno>
#include <functional>
#include <utility>

using namespace bulkmail;
using namespace bulkmail::spool;
using namespace std::chrono_literals;
using namespace std::string_literals;
using simulation::MemoryDisk;
using Operation = MemoryDisk::Operation;

namespace {

const std::string good = "MAIL FROM:<a@b>\nRCPT TO:<c@d>\nDATA\nSubject: x\n\nbody\n.\n";
const std::string other = "MAIL FROM:<a@b>\nRCPT TO:<c@d>\nDATA\nSubject: y\n\nbody\n.\n";
const std::string third = "MAIL FROM:<a@b>\nRCPT TO:<c@d>\nDATA\nSubject: z\n\nbody\n.\n";
const std::string cut = good.substr(0, good.size() - 3);
const std::string garbage = "this is no drop\n";

struct Spool {
  MemoryDisk disk;
  Ids ids;
  std::optional<Claimer> claimer;
  Wall now{1'764'000'000s};

  Spool() {
    REQUIRE(make_spool_layout(disk));
    start();
  }

  void start() { claimer.emplace(disk, ids, "relay.example"); }

  void put(const std::string& name, const std::string& bytes) {
    disk.set_time(std::chrono::nanoseconds(now.time_since_epoch()).count());
    disk.put("new/" + name, bytes);
  }

  ClaimAnswer claim(const std::string& name) { return claimer->claim(name, now); }

  Claimed claimed(const std::string& name) {
    auto answer = claim(name);
    INFO(name << " was answered " << answer.index());
    REQUIRE(std::holds_alternative<Claimed>(answer));
    return std::get<Claimed>(std::move(answer));
  }

  Claimed drop(const std::string& name, const std::string& bytes) {
    put(name, bytes);
    return claimed(name);
  }

  Refused refused(const std::string& name) {
    auto answer = claim(name);
    INFO(name << " was answered " << answer.index());
    REQUIRE(std::holds_alternative<Refused>(answer));
    return std::get<Refused>(std::move(answer));
  }

  Waiting waiting(const std::string& name) {
    auto answer = claim(name);
    INFO(name << " was answered " << answer.index());
    REQUIRE(std::holds_alternative<Waiting>(answer));
    return std::get<Waiting>(std::move(answer));
  }

  bool ignored(const std::string& name, bool duplicate = false) {
    const auto answer = claim(name);
    const auto* ignored = std::get_if<Ignored>(&answer);
    return ignored != nullptr && ignored->duplicate == duplicate;
  }

  nlohmann::json status(const std::string& id) {
    const auto text = disk.contents("status/" + id + ".json");
    REQUIRE(text);
    return nlohmann::json::parse(*text);
  }

  // What stays when a message is done: its status, until the upstream deletes it.
  void finish(const Claimed& message) {
    const auto& facts = *message.facts;
    ids.release(facts.id);
    REQUIRE(disk.remove("cur/" + facts.id));
    disk.put("status/" + facts.id + ".json",
             fmt::format(R"({{"version":1,"id":"{}","serial":1,"final":true,"digest":"{}","recipients":[]}})",
                         facts.id, to_string(facts.digest)));
  }
};

// A spool in which somebody else is at work at awkward moments.
class MeddledDisk final : public Disk {
 public:
  explicit MeddledDisk(Disk& disk) : disk_(disk) {}

  std::function<void()> before_rename_new, after_read;

  Result<std::unique_ptr<File>> open_read(std::string_view path) override {
    auto file = disk_.open_read(path);
    if (file && path.starts_with("new/") && after_read) after_read();
    return file;
  }

  Result<std::unique_ptr<File>> create(std::string_view path, unsigned mode) override {
    return disk_.create(path, mode);
  }

  Result<std::unique_ptr<File>> append_to(std::string_view path, unsigned mode) override {
    return disk_.append_to(path, mode);
  }

  Result<FileInfo> info(std::string_view path) override { return disk_.info(path); }

  Result<void> rename(std::string_view from, std::string_view to) override { return disk_.rename(from, to); }

  Result<void> rename_new(std::string_view from, std::string_view to) override {
    if (from.starts_with("new/") && to.starts_with("cur/") && before_rename_new) before_rename_new();
    return disk_.rename_new(from, to);
  }

  Result<void> remove(std::string_view path) override { return disk_.remove(path); }

  Result<void> truncate(std::string_view path, std::uint64_t size) override {
    return disk_.truncate(path, size);
  }

  Result<std::vector<std::string>> list(std::string_view directory) override { return disk_.list(directory); }

  Result<void> make_directory(std::string_view path, unsigned mode) override {
    return disk_.make_directory(path, mode);
  }

  Result<void> sync_directory(std::string_view path) override { return disk_.sync_directory(path); }

  Result<void> sync_all() override { return disk_.sync_all(); }

  Result<Space> free_space() override { return disk_.free_space(); }

 private:
  Disk& disk_;
};

bool has(Spool& spool, const std::string& path) { return spool.disk.contents(path).has_value(); }

} // namespace

TEST_CASE("a drop is claimed by rename, its facts and its small content at hand") {
  Spool spool;
  const Claimed message = spool.drop("news-0001", good);
  CHECK(message.facts->id == "news-0001");
  CHECK(message.facts->name == "news-0001");
  CHECK(message.facts->digest == sha256(good));
  CHECK(message.facts->stamp == stamp_of(*spool.disk.info("cur/news-0001")));
  CHECK(message.facts->arrival_date == spool.now);
  CHECK(message.facts->envelope.sender() == "a@b");
  CHECK(message.facts->size == 20);
  CHECK(message.small_content == "Subject: x\n\nbody\n");
  CHECK(spool.disk.contents("cur/news-0001") == good);
  CHECK_FALSE(has(spool, "new/news-0001"));
  CHECK(spool.ids.find("news-0001") == sha256(good));
  CHECK(spool.disk.list("status")->empty());

  CHECK(spool.drop("news-0002", good).facts->number ==
        message.facts->number + 1);  // another name: another message
  CHECK(spool.ignored("news-0003")); // gone before it was looked at
}

TEST_CASE("what may be an id") {
  for (const std::string& name : {"a"s, "A-Z.a_z=0,9:+@-"s, std::string(200, 'x'), "q1234567890-12345"s})
    CHECK(valid_id(name));
  for (const std::string& name :
       {""s, std::string(201, 'x'), "a b"s, "a\nb"s, "a~1"s, "a/b"s, "a\0b"s, "\xc3\xa4"s, "a*"s})
    CHECK_FALSE(valid_id(name));
}

TEST_CASE("writers' work in progress is left alone, whatever it is") {
  Spool spool;
  for (const char* name : {".hidden", "temp.1234", "news.tmp", ".", ".."}) {
    if (name[1] != '.' && name[1] != '\0') spool.put(name, garbage);
    CHECK(in_progress_name(name));
    CHECK(spool.ignored(name));
  }
  CHECK_FALSE(in_progress_name("tempo"));
  spool.put("seen", good);
  CHECK(*spool.claimer->names() == std::vector<std::string>{"seen"});
  CHECK(has(spool, "new/.hidden"));
  CHECK(spool.ignored(""));
  CHECK(spool.ignored("../cur/x"));
}

TEST_CASE("symbolic links, FIFOs, sockets and folders are never opened, never deleted") {
  Spool spool;
  spool.disk.put_other("new/fifo");
  REQUIRE(spool.disk.make_directory("new/folder", 0700));
  bool opened = false;
  spool.disk.set_fault([&](Operation operation, std::string_view path) {
    opened = opened || (operation == Operation::open_read && path.starts_with("new/"));
    return 0;
  });
  CHECK(spool.ignored("fifo"));
  CHECK(spool.ignored("folder"));
  CHECK_FALSE(opened);
  CHECK(spool.disk.info("new/fifo"));
  CHECK(spool.disk.info("new/folder"));
}

TEST_CASE("a name that an intake still writes is left alone until it is done") {
  Spool spool;
  spool.put("lmtp-1", good);
  spool.ids.reserve("lmtp-1");
  CHECK(spool.waiting("lmtp-1").why == Waiting::Why::reserved);
  spool.ids.unreserve("lmtp-1");
  CHECK(spool.claimed("lmtp-1").facts->id == "lmtp-1");
}

TEST_CASE(
    "a hard link waits for its writer; after 2 s a status that is not final says so; then it is taken") {
  Spool spool;
  spool.put("q1-1", good);
  spool.disk.link("new/q1-1", "tmp/q1-1");
  const Waiting first = spool.waiting("q1-1");
  CHECK(first.why == Waiting::Why::hard_linked);
  CHECK(first.again == spool.now + 2s);
  CHECK(first.text.empty());
  CHECK(spool.disk.list("status")->empty());

  spool.now += 2s;
  CHECK_FALSE(spool.waiting("q1-1").text.empty());
  const auto status = spool.status("q1-1");
  CHECK(status["final"] == false);
  CHECK(status["error"]["code"] == "hard-linked");
  spool.now += 5s;
  CHECK(spool.waiting("q1-1").text.empty()); // one warning
  CHECK(has(spool, "new/q1-1"));

  REQUIRE(spool.disk.remove("tmp/q1-1"));
  CHECK(spool.claimed("q1-1").facts->id == "q1-1"); // its own notice does not take its id
  CHECK_FALSE(has(spool, "status/q1-1.json"));
}

TEST_CASE(
    "an unreadable drop: one warning, left in place, a status that is not final, taken when it can be read") {
  Spool spool;
  spool.put("locked", good);
  int code = EACCES;
  spool.disk.set_fault([&](Operation operation, std::string_view path) {
    return operation == Operation::open_read && path == "new/locked" ? code : 0;
  });
  const Waiting first = spool.waiting("locked");
  CHECK(first.why == Waiting::Why::unreadable);
  CHECK(first.again > spool.now);
  CHECK_FALSE(first.text.empty());
  CHECK(spool.status("locked")["final"] == false);
  CHECK(spool.status("locked")["error"]["code"] == "unreadable");
  CHECK(spool.waiting("locked").text.empty());
  CHECK(spool.disk.contents("new/locked") == good);

  spool.start(); // a new agent finds its predecessor's notice
  CHECK_FALSE(spool.waiting("locked").text.empty());
  code = 0;
  CHECK(spool.claimed("locked").facts->id == "locked");
  CHECK_FALSE(has(spool, "status/locked.json"));
}

TEST_CASE("a read error in mid-file leaves the drop in place and says so") {
  Spool spool;
  spool.put("sick", good);
  spool.disk.set_fault([](Operation operation, std::string_view path) {
    return operation == Operation::read && path == "new/sick" ? EIO : 0;
  });
  CHECK(spool.waiting("sick").why == Waiting::Why::unreadable);
  CHECK(has(spool, "new/sick"));
}

TEST_CASE("the notice goes when its drop goes, by a look at it or by a rescan") {
  Spool spool;
  for (const bool rescan : {false, true}) {
    spool.put("gone", good);
    spool.disk.link("new/gone", "tmp/gone");
    spool.waiting("gone");
    spool.now += 2s;
    spool.waiting("gone");
    CHECK(has(spool, "status/gone.json"));
    REQUIRE(spool.disk.remove("new/gone"));
    REQUIRE(spool.disk.remove("tmp/gone"));
    if (rescan)
      CHECK(spool.claimer->names()->empty());
    else
      CHECK(spool.ignored("gone"));
    CHECK_FALSE(has(spool, "status/gone.json"));
  }
}

TEST_CASE("a notice never takes the place of a message's status") {
  Spool spool;
  const Claimed message = spool.drop("news", good);
  spool.finish(message);
  spool.put("news", other);
  spool.disk.link("new/news", "tmp/news");
  spool.waiting("news");
  spool.now += 2s;
  spool.waiting("news");
  CHECK(spool.status("news")["final"] == true);
  CHECK(spool.status("news~1")["name"] == "news");
  REQUIRE(spool.disk.remove("tmp/news"));
  CHECK(spool.claimed("news").facts->id == "news~1");
  CHECK_FALSE(has(spool, "status/news~1.json"));
}

TEST_CASE("a file that ends early waits 60 s from its mtime, then is refused as truncated") {
  for (const std::string& bytes : {""s, cut, good.substr(0, 20), "a@b\nc@d\n"s}) {
    Spool spool;
    spool.put("cut", bytes);
    spool.now += 59s;
    const Waiting wait = spool.waiting("cut");
    CHECK(wait.why == Waiting::Why::incomplete);
    CHECK(wait.again == spool.now + 1s);
    CHECK(wait.text.empty());
    CHECK(spool.disk.list("status")->empty());

    spool.now += 1s;
    const Refused refused = spool.refused("cut");
    CHECK(refused.id == "cut");
    CHECK(refused.problem.code == "truncated");
    CHECK(spool.disk.contents("bad/cut") == bytes);
    CHECK_FALSE(has(spool, "new/cut"));
    const auto status = spool.status("cut");
    CHECK(status["final"] == true);
    CHECK(status["error"]["code"] == "truncated");
    CHECK(status["error"].contains("text"));
    CHECK(status["error"]["line"].is_number());
    CHECK(status["recipients"].empty());
  }
}

TEST_CASE("a half-written drop is taken when its writer is done, and waits anew whenever it was written to") {
  Spool spool;
  spool.put("slow", cut);
  spool.waiting("slow");
  spool.now += 59s;
  spool.put("slow", cut + "more\n");
  CHECK(spool.waiting("slow").again == spool.now + 60s);
  spool.now += 59s;
  spool.waiting("slow");
  spool.put("slow", cut + "more\n.\n");
  CHECK(spool.claimed("slow").small_content.ends_with("more\n"));
}

TEST_CASE("a modification time in the future holds nothing up, one long past is refused at once") {
  Spool spool;
  spool.now += 24h * 365;
  spool.put("future", cut);
  spool.now -= 24h * 365;
  CHECK(spool.waiting("future").again == spool.now + 60s);
  spool.now += 60s;
  spool.refused("future");
  spool.put("past", cut);
  spool.now += 24h;
  spool.refused("past");
}

TEST_CASE("the bytes of a waiting drop are not read again until they change or its time is over") {
  Spool spool;
  spool.put("cut", cut);
  int reads = 0;
  spool.disk.set_fault([&](Operation operation, std::string_view path) {
    if (operation == Operation::read && path == "new/cut") ++reads;
    return 0;
  });
  spool.waiting("cut");
  CHECK(reads == 1);
  for (int i = 0; i < 10; ++i) spool.waiting("cut");
  CHECK(reads == 1);
}

TEST_CASE("a refused drop is moved to bad/ byte for byte, with a final status") {
  Spool spool;
  spool.put("junk", garbage);
  const Refused refused = spool.refused("junk");
  CHECK(refused.id == "junk");
  CHECK(refused.name == "junk");
  CHECK(refused.problem.code == "unknown-format");
  CHECK(spool.disk.contents("bad/junk") == garbage);
  CHECK_FALSE(has(spool, "new/junk"));
  const auto status = spool.status("junk");
  CHECK(status["version"] == 1);
  CHECK(status["id"] == "junk");
  CHECK(status["final"] == true);
  CHECK(status["error"]["code"] == "unknown-format");
  CHECK(status["error"]["line"] == 1);
}

TEST_CASE("a refused drop whose name is taken is numbered, in bad/ and in status/ alike, and nothing is "
          "overwritten") {
  Spool spool;
  const Claimed message = spool.drop("news", good);
  spool.put("news", garbage);
  CHECK(spool.refused("news").id == "news~1");
  CHECK(spool.disk.contents("bad/news~1") == garbage);
  CHECK(spool.status("news~1")["id"] == "news~1");
  CHECK(spool.status("news~1")["name"] == "news");

  spool.put("news", garbage); // refused drops are kept, even the same again
  CHECK(spool.refused("news").id == "news~2");

  spool.finish(message);
  spool.put("news", garbage + "x\n");
  CHECK(spool.refused("news").id == "news~3");
  CHECK(spool.status("news")["digest"] == to_string(message.facts->digest));

  spool.put("other", garbage);
  spool.refused("other");
  REQUIRE(spool.disk.remove("status/other.json")); // acknowledged, but the file is still kept
  spool.put("other", garbage);
  CHECK(spool.refused("other").id == "other~1");
  CHECK(spool.disk.contents("bad/other") == garbage);
}

TEST_CASE("a name that can't be an id is refused under its digest, and the status tells the name") {
  for (const std::string& name :
       {"new\nline"s, std::string(255, 'x'), "\xff\xfe"s, "a b"s, "~"s, "news~1"s, "\"quoted\\"s}) {
    INFO(name);
    Spool spool;
    spool.put(name, good);
    const Refused refused = spool.refused(name);
    CHECK(refused.name == name);
    CHECK(refused.id == "bad-" + to_string(sha256(name)).substr(7, 16));
    CHECK(refused.problem.code == "bad-name");
    CHECK(spool.disk.contents("bad/" + refused.id) == good);
    const auto status = spool.status(refused.id);
    CHECK(status["final"] == true);
    if (name != "\xff\xfe") CHECK(status["error"]["name"] == name);
    spool.put(name, other);
    CHECK(spool.refused(name).id == refused.id + "~1");
  }
}

TEST_CASE("the same drop again is dropped, nothing is sent twice") {
  Spool spool;
  const Claimed message = spool.drop("news", good);
  spool.put("news", good);
  CHECK(spool.ignored("news", true)); // while it is in cur/
  CHECK_FALSE(has(spool, "new/news"));
  spool.finish(message);
  spool.put("news", good);
  CHECK(spool.ignored("news", true)); // while its status exists
  REQUIRE(spool.disk.remove("status/news.json"));
  CHECK(spool.drop("news", good).facts->id == "news"); // acknowledged: the id is free
}

TEST_CASE("other bytes under a taken name are another message, numbered from 1") {
  Spool spool;
  spool.drop("q1", good);
  const Claimed second = spool.drop("q1", other);
  CHECK(second.facts->id == "q1~1");
  CHECK(second.facts->name == "q1");
  CHECK(spool.disk.contents("cur/q1~1") == other);
  CHECK(spool.drop("q1", third).facts->id == "q1~2");
  for (const std::string& bytes : {good, other, third}) { // each of them again is no message
    spool.put("q1", bytes);
    CHECK(spool.ignored("q1", true));
  }
  const std::string longest(200, 'x');
  spool.drop(longest, good);
  CHECK(spool.drop(longest, other).facts->id == longest + "~1");
}

TEST_CASE("the first free number is taken, and repetitions are known beyond it, also by a new agent") {
  Spool spool;
  spool.drop("q1", good);
  const Claimed second = spool.drop("q1", other);
  const Claimed last = spool.drop("q1", third);
  spool.finish(second);
  spool.finish(last);
  REQUIRE(spool.disk.remove("status/q1~1.json")); // ~1 is free again, ~2 is not
  for (const bool restarted : {false, true}) {
    if (restarted) spool.start();
    spool.put("q1", third);
    CHECK(spool.ignored("q1", true));
  }
  CHECK(spool.drop("q1", other).facts->id == "q1~1");
}

TEST_CASE("a file in cur/ that nobody knows of is never overwritten") {
  Spool spool;
  spool.disk.put("cur/news", good);
  spool.put("news", other);
  CHECK(spool.claimed("news").facts->id == "news~1");
  CHECK(spool.disk.contents("cur/news") == good);
  spool.put("news", good);
  CHECK(spool.ignored("news", true));
}

TEST_CASE("a drop replaced while it is claimed is parsed again, whatever moment its writer chose") {
  struct Case {
    std::string before, after;
    std::size_t answer;
  };

  for (const auto& [before, after, answer] :
       {Case{good, other, 0}, Case{good, garbage, 1}, Case{garbage, good, 0}, Case{cut, good, 2},
        Case{good, cut, 2}}) {
    Spool spool;
    spool.put("news", before);
    MeddledDisk disk(spool.disk);
    disk.before_rename_new = [&, done = false]() mutable {
      if (!std::exchange(done, true)) spool.put("news", after);
    };
    disk.after_read = [&, done = false]() mutable {
      if (before == garbage && !std::exchange(done, true)) spool.put("news", after);
    };
    Claimer claimer(disk, spool.ids, "relay.example");
    const ClaimAnswer found = claimer.claim("news", spool.now);
    INFO(before << after);
    CHECK(found.index() == answer);
    if (answer != 0) continue;
    CHECK(std::get<Claimed>(found).facts->digest == sha256(after));
    CHECK(spool.disk.contents("cur/news") == after);
  }
}

TEST_CASE("a drop that never stops changing is left alone for a while") {
  Spool spool;
  spool.put("news", good);
  MeddledDisk disk(spool.disk);
  disk.before_rename_new = [&] { spool.put("news", good); };
  Claimer claimer(disk, spool.ids, "relay.example");
  const ClaimAnswer found = claimer.claim("news", spool.now);
  REQUIRE(std::holds_alternative<Waiting>(found));
  CHECK(std::get<Waiting>(found).again > spool.now);
  CHECK(spool.disk.contents("new/news") == good);
}

TEST_CASE("a disk in trouble is told of, and the drop stays") {
  struct Trouble {
    Operation operation;
    const char* path;
    int code;
  };

  for (const Trouble& trouble :
       {Trouble{Operation::rename_new, "new/news", ENOSPC}, Trouble{Operation::rename_new, "new/news", EROFS},
        Trouble{Operation::open_read, "new/news", EMFILE},
        Trouble{Operation::open_read, "status/news.json", ENFILE},
        Trouble{Operation::info, "new/news", EIO}}) {
    Spool spool;
    spool.put("news", good);
    bool sick = true;
    spool.disk.set_fault([&](Operation operation, std::string_view path) {
      return sick && operation == trouble.operation && path == trouble.path ? trouble.code : 0;
    });
    const Waiting wait = spool.waiting("news");
    if (trouble.code != EIO) {
      CHECK(wait.why == Waiting::Why::error);
      CHECK(wait.error.code == trouble.code);
    }
    CHECK(has(spool, "new/news"));
    sick = false;
    CHECK(spool.claimed("news").facts->id == "news"); // goes on by itself
  }
}

TEST_CASE("a refusal that can't be written leaves the drop where it is") {
  for (const Operation operation : {Operation::create, Operation::append, Operation::rename,
                                    Operation::sync_data, Operation::sync_directory, Operation::rename_new}) {
    Spool spool;
    spool.put("junk", garbage);
    bool sick = true;
    spool.disk.set_fault([&](Operation now, std::string_view path) {
      return sick && now == operation && (path.starts_with("status") || path.starts_with("new/")) ? ENOSPC
                                                                                                  : 0;
    });
    CHECK(spool.waiting("junk").why == Waiting::Why::error);
    CHECK(spool.disk.contents("new/junk") == garbage);
    sick = false;
    CHECK(spool.refused("junk").id == "junk"); // its own status of the first trial is known again
  }
}

TEST_CASE("a crash at any step of a claim or a refusal loses nothing and tells nothing twice") {
  for (const std::string& bytes : {good, garbage}) {
    for (std::uint64_t step = 1;; ++step) {
      Spool spool;
      spool.put("news", bytes);
      spool.disk.crash_at_change(spool.disk.changes() + step);
      bool crashed = false;
      try {
        spool.claim("news");
      } catch (const simulation::Crashed&) {
        crashed = true;
      }
      if (!crashed) break;
      spool.disk.restart();
      if (has(spool, "new/news")) {
        spool.start();
        spool.claim("news");
      }
      const std::string home = bytes == good ? "cur/news" : "bad/news";
      CHECK(spool.disk.contents(home) == bytes);
      CHECK(spool.disk.list("bad")->size() + spool.disk.list("cur")->size() == 1);
      if (bytes == garbage) CHECK(spool.status("news")["final"] == true);
      REQUIRE(step < 100);
    }
  }
}

TEST_CASE("a power cut at any step of a refusal never leaves a drop in bad/ without its status") {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    Spool spool;
    spool.put("junk", garbage);
    REQUIRE(spool.disk.sync_all());
    spool.disk.crash_at_change(spool.disk.changes() + 1 + seed % 12);
    try {
      spool.claim("junk");
    } catch (const simulation::Crashed&) {
    }
    test::SeededDice dice(seed);
    const auto after = spool.disk.power_cut(dice);
    if (!after->contents("bad/junk")) continue;
    const auto status = after->contents("status/junk.json");
    REQUIRE(status);
    CHECK(nlohmann::json::parse(*status)["final"] == true);
  }
}
