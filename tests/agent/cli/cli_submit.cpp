// `submit` as Postfix's pipe(8), Exim's pipe transport and scripts call it: 0 and the message is in new/ for good, or 75
// and one line why.
#include "tests/agent/cli/program.h"

#include <catch2/catch.hpp>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <fstream>

using namespace bulkmail::test;

namespace {

struct Spool : Folder {
  Ran submit(std::vector<std::string> words, const How& how = {}) const {
    words.insert(words.begin(), {"submit", "--spool", path("spool")});
    return run(words, how);
  }

  [[nodiscard]] std::vector<std::string> fresh() const { return names("spool/new"); }

  [[nodiscard]] std::string drop(const std::string& id) const { return read("spool/new/" + id); }

  // Nothing was taken, one line says why.
  void refused(const Ran& ran, std::string_view code) const {
    CHECK(ran.exit == 75);
    CHECK_THAT(ran.errors, Catch::StartsWith(std::string(code) + " "));
    CHECK(std::ranges::count(ran.errors, '\n') == 1);
    CHECK(ran.output.empty());
    if (!std::filesystem::exists(path("spool/new"))) return;
    CHECK(fresh().empty());
    CHECK(names("spool/tmp").empty());
  }
};

unsigned mode_of(const std::string& path) {
  struct stat found{};
  return ::stat(path.c_str(), &found) == 0 ? found.st_mode & 07777U : 0;
}

} // namespace

TEST_CASE("a submitted message stands in new/ as BSMTP, and nothing is printed") {
  const Spool spool;
  const auto ran =
      spool.submit({"-f", "list@x.example", "--id", "news-1", "--", "ann@d1.example", "bob@d2.example"},
                   {.input = "Subject: x\n\n.dot\nlast"});
  CHECK(ran.exit == 0);
  CHECK(ran.output.empty());
  CHECK(ran.errors.empty());
  CHECK(spool.fresh() == std::vector<std::string>{"news-1"});
  CHECK(spool.drop("news-1") ==
        "MAIL FROM:<list@x.example> XDSN\r\nRCPT TO:<ann@d1.example>\r\nRCPT TO:<bob@d2.example>\r\n"
        "DATA\r\nSubject: x\r\n\r\n..dot\r\nlast\r\n.\r\n");
  CHECK(spool.names("spool/tmp").empty());
}

TEST_CASE("LF and CRLF content come out the same") {
  const Spool spool;
  REQUIRE(spool.submit({"-f", "", "--id", "lf", "a@d1.example"}, {.input = "a\n\n.\nb\n"}).exit == 0);
  REQUIRE(spool.submit({"-f", "", "--id", "crlf", "a@d1.example"}, {.input = "a\r\n\r\n.\r\nb\r\n"}).exit ==
          0);
  CHECK(spool.drop("lf") == spool.drop("crlf"));
  CHECK_THAT(spool.drop("lf"), Catch::EndsWith("DATA\r\na\r\n\r\n..\r\nb\r\n.\r\n"));
}

TEST_CASE("an empty message is a message") {
  const Spool spool;
  REQUIRE(spool.submit({"-f", "<>", "--id", "empty", "a@d1.example"}).exit == 0);
  CHECK(spool.drop("empty") == "MAIL FROM:<>\r\nRCPT TO:<a@d1.example>\r\nDATA\r\n.\r\n");
}

TEST_CASE("the missing spool is made with its modes, whatever the umask") {
  const Spool spool;
  REQUIRE(spool.submit({"-f", "a@x.example", "b@d1.example"}, {.before = [] { ::umask(0777); }}).exit == 0);
  CHECK(mode_of(spool.path("spool")) == 02751);
  CHECK(mode_of(spool.path("spool/tmp")) == 03770);
  CHECK(mode_of(spool.path("spool/new")) == 03770);
  CHECK(mode_of(spool.path("spool/cur")) == 0700);
  CHECK(mode_of(spool.path("spool/bad")) == 0750);
  CHECK(mode_of(spool.path("spool/status")) == 02770);
  CHECK(mode_of(spool.path("spool/results")) == 02750);
  CHECK(mode_of(spool.path("spool/journal")) == 0700);
  CHECK(mode_of(spool.path("spool/state")) == 0700);
  CHECK(mode_of(spool.path("spool/new/" + spool.fresh().at(0))) == 0660);
  CHECK(spool.names("") == std::vector<std::string>{"spool"});
}

TEST_CASE("what root submits belongs to the spool's owner and group") {
  if (::geteuid() != 0) return;
  const Spool spool;
  REQUIRE(spool.submit({"-f", "a@x.example", "b@d1.example"}).exit == 0);
  for (const auto* folder : {"", "/tmp", "/new"})
    REQUIRE(::chown((spool.path("spool") + folder).c_str(), 1234, 2345) == 0);
  std::filesystem::remove(spool.path("spool/state"));
  REQUIRE(spool.submit({"-f", "a@x.example", "--id", "theirs", "b@d1.example"}).exit == 0);
  for (const auto* made : {"spool/new/theirs", "spool/state"}) {
    struct stat found{};
    REQUIRE(::stat(spool.path(made).c_str(), &found) == 0);
    CHECK(found.st_uid == 1234);
    CHECK(found.st_gid == 2345);
  }
}

TEST_CASE("submitting the same again under its id is a no-op, other bytes are kept beside it") {
  const Spool spool;
  const auto submit = [&](const std::string& recipient) {
    return spool.submit({"-f", "a@x.example", "--id", "4Xq1", "--", recipient}, {.input = "Subject: x\n"})
        .exit;
  };
  CHECK(submit("b@d1.example") == 0);
  CHECK(submit("b@d1.example") == 0);
  CHECK(spool.fresh().size() == 1);
  CHECK(submit("c@d1.example") == 0);
  CHECK(submit("c@d1.example") == 0);
  CHECK(submit("d@d1.example") == 0);
  const auto names = spool.fresh();
  REQUIRE(names.size() == 3);
  CHECK(names[0] == "4Xq1");
  CHECK(names[1].starts_with("4Xq1."));
  CHECK(names[1].size() == 4 + 17);
  CHECK_THAT(spool.drop("4Xq1"), Catch::Contains("<b@d1.example>"));
  CHECK(spool.names("spool/tmp").empty());
}

TEST_CASE("an id as long as it may be still has room for other bytes") {
  const Spool spool;
  const std::string id(200, 'x');
  CHECK(spool.submit({"-f", "", "--id", id, "b@d1.example"}).exit == 0);
  CHECK(spool.submit({"-f", "", "--id", id, "c@d1.example"}).exit == 0);
  CHECK(spool.fresh().size() == 2);
}

TEST_CASE("generated ids are unique and sort by time") {
  const Spool spool;
  for (const auto* recipient : {"a@d1.example", "b@d1.example", "c@d1.example"})
    REQUIRE(spool.submit({"-f", "", recipient}).exit == 0);
  const auto names = spool.fresh();
  REQUIRE(names.size() == 3);
  CHECK_THAT(spool.drop(names[0]), Catch::Contains("<a@d1.example>"));
  CHECK_THAT(spool.drop(names[2]), Catch::Contains("<c@d1.example>"));
}

TEST_CASE("addresses that look like options or lists are addresses") {
  const Spool spool;
  REQUIRE(
      spool.submit({"-f", "-f@x.example", "--id", "odd", "run", "--", "-b@d1.example", "--id", "[a,b]", ""})
          .exit == 0);
  CHECK(spool.drop("odd") ==
        "MAIL FROM:<-f@x.example> XDSN\r\nRCPT TO:<run>\r\nRCPT TO:<-b@d1.example>\r\nRCPT TO:<--id>\r\n"
        "RCPT TO:<[a,b]>\r\nRCPT TO:<>\r\nDATA\r\n.\r\n");
}

TEST_CASE("a malformed recipient goes along, a malformed sender is told now") {
  const Spool spool;
  spool.refused(spool.submit({"-f", "x y@", "b@d1.example"}), "4.1.7");
  REQUIRE(spool.submit({"-f", "a@x.example", "--id", "one-bad", "u@", "b@d1.example"}).exit == 0);
  CHECK_THAT(spool.drop("one-bad"), Catch::Contains("RCPT TO:<u@>\r\nRCPT TO:<b@d1.example>"));
}

TEST_CASE("an address cannot write a line of its own into the envelope") {
  const Spool spool;
  spool.refused(spool.submit({"-f", "a@x.example>\r\nRCPT TO:<eve@d1.example", "b@d1.example"}), "4.1.7");
  spool.refused(spool.submit({"-f", "a@x.example", "b@d1.example\nDATA"}), "4.1.3");
}

TEST_CASE("submit knows no exit code but 0 and 75, and its one line has a class 4 code first") {
  const Spool spool;
  spool.refused(spool.submit({}), "4.3.5");
  spool.refused(spool.submit({"-f"}), "4.3.5");
  spool.refused(spool.submit({"-f", "a@x.example"}), "4.3.5");
  spool.refused(spool.submit({"b@d1.example"}), "4.3.5");
  spool.refused(spool.submit({"--bogus\nline", "-f", "a@x.example", "b@d1.example"}), "4.3.5");
  spool.refused(spool.submit({"--set", "no.such=1", "-f", "a@x.example", "b@d1.example"}), "4.3.5");
  spool.refused(spool.submit({"--config", "/nonexistent", "-f", "a@x.example", "b@d1.example"}), "4.3.5");
  spool.refused(spool.submit({"--bsmtp", "-f", "a@x.example"}), "4.3.5");
  for (const auto* id : {"", " ", "a/b", ".x", "temp.x", "x.tmp", "x~1", "\xc3\xa4"})
    if (*id != '\0') spool.refused(spool.submit({"-f", "", "--id", id, "b@d1.example"}), "4.3.5");
}

TEST_CASE("a spool that cannot be had is 75") {
  CHECK(run({"submit", "--spool", "/nonexistent/spool", "-f", "", "b@d1.example"}).exit == 75);
  CHECK(run({"submit", "--spool", "/dev/null", "-f", "", "b@d1.example"}).exit == 75);
}

TEST_CASE("by the name bulkmail-pipe the program is submit") {
  const Spool spool;
  const auto ran = run({"-f", "a@x.example", "--spool", spool.path("spool"), "--", "b@d1.example"},
                       {.input = "x\n", .program = "/usr/lib/bulkmail/bulkmail-pipe"});
  CHECK(ran.exit == 0);
  CHECK(spool.fresh().size() == 1);
  CHECK(run({"--bogus"}, {.program = "bulkmail-pipe"}).exit == 75);
}

TEST_CASE("descriptors that are closed at start never become the drop's") {
  const Spool spool;
  REQUIRE(spool.submit({"-f", "", "--id", "none", "b@d1.example"}, {.closed = {0, 1, 2}}).exit == 0);
  CHECK_THAT(spool.drop("none"), Catch::EndsWith("DATA\r\n.\r\n"));
  // What is said on stderr must not end up in a file.
  CHECK(spool.submit({"-f", "x y", "b@d1.example"}, {.closed = {0, 1, 2}}).exit == 75);
  CHECK(spool.fresh().size() == 1);
}

TEST_CASE("a disk without room leaves nothing behind") {
  const Spool spool;
  REQUIRE(spool.submit({"-f", "", "--id", "first", "b@d1.example"}).exit == 0);
  std::filesystem::remove(spool.path("spool/new/first"));
  const How small{.input = std::string(200'000, 'x'), .before = [] {
                    ::signal(SIGXFSZ, SIG_IGN);
                    const rlimit limit{100'000, 100'000};
                    ::setrlimit(RLIMIT_FSIZE, &limit);
                  }};
  spool.refused(spool.submit({"-f", "", "b@d1.example"}, small), "4.3.0");
}

TEST_CASE("fifty megabytes stream through a little memory") {
  const Spool spool;
  const auto big = spool.path("big");
  {
    std::ofstream file(big, std::ios::binary);
    const std::string line(99, 'x');
    for (int i = 0; i < 500'000; ++i) file << line << '\n';
  }
  const How how{.before = [&] {
    const int fd = ::open(big.c_str(), O_RDONLY);
    ::dup2(fd, 0);
#if !defined(__SANITIZE_ADDRESS__) // whose shadow memory is address space too
    const rlimit limit{48U << 20, 48U << 20};
    ::setrlimit(RLIMIT_AS, &limit);
#endif
  }};
  const auto ran = spool.submit({"-f", "", "--id", "big", "b@d1.example"}, how);
  CHECK(ran.errors.empty());
  REQUIRE(ran.exit == 0);
  CHECK(std::filesystem::file_size(spool.path("spool/new/big")) ==
        500'000 * 101 + std::string_view("MAIL FROM:<>\r\nRCPT TO:<b@d1.example>\r\nDATA\r\n.\r\n").size());
}

TEST_CASE("a batch of BSMTP becomes a drop for each transaction, byte for byte, and failures are told by mail") {
  const Spool spool;
  const std::string first =
      "MAIL FROM:<a@x.example> RET=HDRS\nRCPT TO:<b@d1.example> NOTIFY=NEVER\nDATA\nhi\n..\n.\n";
  const std::string second = "MAIL FROM:<>\nRCPT TO:<u@>\nRCPT TO:<c@d1.example>\nDATA\n.\n";
  const auto ran = spool.submit({"--bsmtp"}, {.input = "EHLO x\n" + first + "RSET\n" + second + "QUIT\n"});
  CHECK(ran.errors.empty());
  REQUIRE(ran.exit == 0);
  const auto names = spool.fresh();
  REQUIRE(names.size() == 2);
  std::string asking = first;
  asking.insert(asking.find('\n'), " XDSN");
  CHECK(spool.drop(names[0]) == asking);
  CHECK(spool.drop(names[1]) == second); // a null sender can't be told
}

TEST_CASE("an empty batch is done") {
  const Spool spool;
  CHECK(spool.submit({"--bsmtp"}).exit == 0);
  CHECK(spool.submit({"--bsmtp"}, {.input = "HELO x\r\nQUIT\r\n"}).exit == 0);
}

TEST_CASE("a batch with anything wrong in it is not taken at all") {
  const std::string good = "MAIL FROM:<>\nRCPT TO:<c@d1.example>\nDATA\nx\n.\n";
  for (const std::string_view rest :
       {"MAIL FROM:<>\nRCPT TO:<c@d1.example>\nDATA\nx\n", "MAIL FROM:<>\nDATA\nx\n.\n",
        "MAIL FROM:<a b>\nRCPT TO:<c@d1.example>\nDATA\n.\n", "What?\n",
        "MAIL FROM:<>\nRCPT TO:<c@d1.example> BOGUS=1\nDATA\n.\n", "MAIL FROM:<>\nRCPT TO:<c@d1.example>\n",
        "MAIL FROM:<>\nVRFY x\nDATA\n.\n", "QUIT\nmore\n",
        "MAIL FROM:<>\r\nRCPT TO:<c@d1.example>\r\nDATA\n.\n"}) {
    const Spool spool;
    INFO(rest);
    const auto ran = spool.submit({"--bsmtp"}, {.input = good + std::string(rest)});
    spool.refused(ran, ran.errors.substr(0, 5));
    CHECK_THAT(ran.errors, Catch::StartsWith("4."));
  }
}

TEST_CASE("a batch of many more transactions than there are descriptors is taken") {
  const Spool spool;
  std::string input;
  for (int i = 0; i < 1500; ++i) input += "MAIL FROM:<>\r\nRCPT TO:<c@d1.example>\r\nDATA\r\nx\r\n.\r\n";
  const auto ran = spool.submit({"--bsmtp"}, {.input = input});
  CHECK(ran.errors.empty());
  REQUIRE(ran.exit == 0);
  CHECK(spool.fresh().size() == 1500);
  CHECK(spool.names("spool/tmp").empty());
}
