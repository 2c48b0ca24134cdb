// Claims on a real file system: what only the kernel can show.
#include "spool/digest.h"
#include "spool/drop/claim.h"
#include "spool/drop/submit.h"
#include "spool/layout.h"
#include "spool/posix_disk.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace fs = std::filesystem;
using namespace bulkmail;
using namespace bulkmail::spool;
using namespace std::chrono_literals;

namespace {

const std::string good = "MAIL FROM:<a@b>\nRCPT TO:<c@d>\nDATA\nSubject: x\n\nbody\n.\n";

struct SpoolFolder {
  fs::path root;
  std::unique_ptr<Disk> disk;
  Ids ids;
  std::optional<Claimer> claimer;

  SpoolFolder() {
    std::string name = (fs::temp_directory_path() / "bulkmail-claim-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    root = name;
    disk = std::move(*open_posix_disk(root));
    REQUIRE(make_spool_layout(*disk));
    claimer.emplace(*disk, ids, "relay.example");
  }

  ~SpoolFolder() { fs::remove_all(root); }

  void write(const std::string& path, const std::string& bytes) const {
    std::ofstream(root / path, std::ios::binary) << bytes;
  }

  [[nodiscard]] std::string read(const std::string& path) const {
    std::ifstream in(root / path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  ClaimAnswer claim(const std::string& name) {
    return claimer->claim(name, std::chrono::floor<milliseconds>(std::chrono::system_clock::now()));
  }
};

std::size_t open_descriptors() {
  return static_cast<std::size_t>(
      std::distance(fs::directory_iterator("/proc/self/fd"), fs::directory_iterator()));
}

} // namespace

TEST_CASE(
    "a drop that was renamed in, one that was linked in, and one that was there before are all claimed") {
  SpoolFolder spool;
  spool.write("new/before", good);
  spool.write("tmp/renamed", good);
  fs::rename(spool.root / "tmp/renamed", spool.root / "new/renamed");
  spool.write("tmp/linked", good);
  fs::create_hard_link(spool.root / "tmp/linked", spool.root / "new/linked");
  CHECK(std::holds_alternative<Waiting>(spool.claim("linked")));
  fs::remove(spool.root / "tmp/linked");

  const auto inode = spool.disk->info("new/renamed")->inode;
  auto names = *spool.claimer->names();
  std::ranges::sort(names);
  CHECK(names == std::vector<std::string>{"before", "linked", "renamed"});
  for (const std::string& name : names) {
    CHECK(std::holds_alternative<Claimed>(spool.claim(name)));
    CHECK(spool.read("cur/" + name) == good);
  }
  CHECK(spool.disk->info("cur/renamed")->inode == inode); // moved, not copied
}

TEST_CASE("a symbolic link, a FIFO, a socket, a device and a folder are left as they are, without waiting "
          "for them") {
  SpoolFolder spool;
  spool.write("secret", good);
  fs::create_symlink(spool.root / "secret", spool.root / "new/link");
  fs::create_symlink("nowhere", spool.root / "new/dangling");
  REQUIRE(::mkfifo((spool.root / "new/fifo").c_str(), 0600) == 0);
  fs::create_directory(spool.root / "new/folder");
  const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  (spool.root / "new/socket").string().copy(address.sun_path, sizeof address.sun_path - 1);
  REQUIRE(::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  std::vector<std::string> names = {"link", "dangling", "fifo", "folder", "socket"};
  if (::mknod((spool.root / "new/device").c_str(), S_IFCHR | 0600, makedev(1, 3)) == 0)
    names.emplace_back("device");

  for (const std::string& name : names) {
    INFO(name);
    CHECK(std::holds_alternative<Ignored>(spool.claim(name)));
    CHECK(fs::symlink_status(spool.root / "new" / name).type() != fs::file_type::not_found);
  }
  CHECK(fs::is_empty(spool.root / "status"));
  CHECK(fs::is_empty(spool.root / "cur"));
  ::close(fd);
}

TEST_CASE("names that only a file system can hold are refused, and their bytes kept") {
  SpoolFolder spool;
  for (const std::string& name :
       {std::string("new\nline"), std::string(255, 'x'), std::string("\xff\xfe\x01")}) {
    spool.write("new/" + name, good);
    const ClaimAnswer answer = spool.claim(name);
    REQUIRE(std::holds_alternative<Refused>(answer));
    const std::string id = std::get<Refused>(answer).id;
    CHECK(spool.read("bad/" + id) == good);
    CHECK(nlohmann::json::parse(spool.read("status/" + id + ".json"))["final"] == true);
    CHECK((fs::status(spool.root / "status" / (id + ".json")).permissions() & fs::perms::all) ==
          (fs::perms::owner_read | fs::perms::owner_write | fs::perms::group_read));
  }
  CHECK(fs::is_empty(spool.root / "new"));
}

TEST_CASE("a message of 50 MB is claimed in small pieces, one of 0 bytes too") {
  SpoolFolder spool;
  std::string content;
  while (content.size() < 50'000'000)
    content += "a line of a large message, of seventy octets or so, as they are\n";
  spool.write("new/large", "MAIL FROM:<a@b>\nRCPT TO:<c@d>\nDATA\n" + content + ".\n");
  const ClaimAnswer answer = spool.claim("large");
  REQUIRE(std::holds_alternative<Claimed>(answer));
  const auto& claimed = std::get<Claimed>(answer);
  CHECK(claimed.facts->content.length == content.size());
  CHECK(claimed.facts->size == content.size() + static_cast<std::size_t>(std::ranges::count(content, '\n')));
  CHECK(claimed.small_content.empty());

  spool.write("new/empty", "MAIL FROM:<a@b>\nRCPT TO:<c@d>\nDATA\n.\nQUIT\n");
  CHECK(std::get<Claimed>(spool.claim("empty")).facts->size == 0);
}

TEST_CASE("claims, refusals and repetitions leave no descriptor open") {
  SpoolFolder spool;
  const auto round = [&] {
    spool.write("new/good", good);
    spool.claim("good");
    spool.write("new/good", good);
    spool.claim("good");
    spool.write("new/bad", "garbage \n");
    spool.claim("bad");
    spool.write("new/cut", good.substr(0, 20));
    spool.claim("cut");
  };
  round();
  const std::size_t before = open_descriptors();
  for (int i = 0; i < 20; ++i) round();
  CHECK(open_descriptors() == before);
}

TEST_CASE("what submit composes is claimed with the same envelope and content") {
  SpoolFolder spool;
  EnvelopeBuilder builder;
  builder.sender("me@here.example");
  builder.recipient("you@there.example");
  const Envelope envelope = builder.take();
  auto drop = Composition::begin(*spool.disk, "sub-1");
  REQUIRE(drop);
  REQUIRE(drop->append(bsmtp_head(envelope) + "Subject: x\r\n\r\n..dot\r\n.\r\n"));
  REQUIRE(drop->sync());
  REQUIRE(drop->publish());
  CHECK((fs::status(spool.root / "new/sub-1").permissions() & fs::perms::all) == fs::perms(0660));
  const ClaimAnswer answer = spool.claim("sub-1");
  REQUIRE(std::holds_alternative<Claimed>(answer));
  CHECK(std::get<Claimed>(answer).facts->size == 20);
}

// Hidden: run by its tag. At most 25 us of CPU a claim is what the agent's speed is built on.
TEST_CASE("the cost of a claim and of a large envelope", "[.cost]") {
  SpoolFolder spool;

  struct Cpu {
    double ours, kernel; // us
  };

  const auto cpu = [] {
    rusage used{};
    ::getrusage(RUSAGE_SELF, &used);
    const auto us = [](const timeval& time) {
      return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_usec);
    };
    return Cpu{us(used.ru_utime), us(used.ru_stime)};
  };
  constexpr int count = 10'000;
  const std::string body(4096 - good.size(), 'x');
  for (int i = 0; i < count; ++i)
    spool.write("new/drop" + std::to_string(i),
                "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nSubject: x\r\n\r\n" + body + "\r\n.\r\n");
  Cpu start = cpu();
  const auto names = *spool.claimer->names();
  for (const std::string& name : names) REQUIRE(std::holds_alternative<Claimed>(spool.claim(name)));
  Cpu end = cpu();
  WARN("a claim of a 4 KiB drop: " << (end.ours - start.ours) / count << " us of ours, "
                                   << (end.kernel - start.kernel) / count << " us of the kernel's");

  std::string list = "MAIL FROM:<a@b>\n";
  for (int i = 0; i < 1'000'000; ++i)
    list += "RCPT TO:<user" + std::to_string(i) + "@domain" + std::to_string(i % 5000) + ".example>\n";
  spool.write("new/list", list + "DATA\nx\n.\n");
  start = cpu();
  const ClaimAnswer answer = spool.claim("list");
  end = cpu();
  WARN("a claim of 1,000,000 recipients: "
       << (end.ours - start.ours + end.kernel - start.kernel) / 1000 << " ms, "
       << std::get<Claimed>(answer).facts->envelope.memory() / 1'000'000 << " MB");
}
