#include "spool/drop/submit.h"

#include "spool/drop/claim.h"
#include "spool/drop/format.h"
#include "spool/layout.h"
#include "tests/simulation/memory_disk.h"

#include <catch2/catch.hpp>

#include <cerrno>

using namespace bulkmail;
using namespace bulkmail::spool;
using namespace std::chrono_literals;
using simulation::MemoryDisk;

namespace {

MemoryDisk& with_folders(MemoryDisk& disk) {
  REQUIRE(make_spool_layout(disk));
  return disk;
}

} // namespace

TEST_CASE("the head of a composed drop has every parameter and is read back the same") {
  EnvelopeBuilder builder;
  builder.sender("list@example.org");
  Envelope& plain = builder.envelope;
  plain.declared_size = 1234;
  plain.body = Body::eight_bit_mime;
  plain.smtp_utf8 = true;
  plain.ret = Ret::headers;
  plain.envid = "a+2Bb";
  plain.verp = Verp{'-', '='};
  plain.require_tls = true;
  plain.mt_priority = -3;
  builder.recipient("\"a > b\"@d1.example", {.given = true, .success = true, .failure = true},
                    "rfc822;a+20b@d1.example");
  builder.recipient("j\xc3\xb6rg@d2.example", {.given = true, .never = true});
  builder.recipient("ann@[IPv6:::1]");
  const Envelope envelope = builder.take();

  const std::string head = bsmtp_head(envelope);
  CHECK(head == "MAIL FROM:<list@example.org> SIZE=1234 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=a+2Bb XVERP=-= "
                "REQUIRETLS "
                "MT-PRIORITY=-3\r\n"
                "RCPT TO:<\"a > b\"@d1.example> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;a+20b@d1.example\r\n"
                "RCPT TO:<j\xc3\xb6rg@d2.example> NOTIFY=NEVER\r\n"
                "RCPT TO:<ann@[IPv6:::1]>\r\n"
                "DATA\r\n");
  const auto drop = parse_drop(head + ".\r\n");
  REQUIRE(drop);
  CHECK(bsmtp_head(drop->envelope) == head);
}

TEST_CASE("the head of a plain message has no parameters, the null sender stays null") {
  EnvelopeBuilder builder;
  builder.recipient("a@b");
  CHECK(bsmtp_head(builder.take()) == "MAIL FROM:<>\r\nRCPT TO:<a@b>\r\nDATA\r\n");
}

TEST_CASE("no address smuggles a line into a head") {
  EnvelopeBuilder builder;
  builder.sender("a@b>\r\nRCPT TO:<evil@e");
  builder.recipient("c@d>\nDATA\n.\n");
  builder.recipient(std::string_view("x\0y\x7f", 4));
  CHECK(bsmtp_head(builder.take()) == "MAIL FROM:<a@b>??RCPT TO:<evil@e>\r\n"
                                      "RCPT TO:<c@d>?DATA?.?>\r\n"
                                      "RCPT TO:<x?y?>\r\n"
                                      "DATA\r\n");
}

TEST_CASE("generated ids may be ids, sort by time, and differ by process and counter") {
  const Wall time = std::chrono::sys_days(std::chrono::year(2026) / 11 / 24) + 8h + 54s + 123ms;
  CHECK(generate_id(time, 0x1f, 7) == "20261124T080054.123-1f-00000007");
  CHECK(valid_id(generate_id(time, ~std::uint64_t{0}, ~std::uint64_t{0})));
  CHECK_FALSE(in_progress_name(generate_id(time, 1, 1)));
  CHECK(generate_id(time, 1, 9) < generate_id(time, 1, 10));
  CHECK(generate_id(time, 1, 0xff) < generate_id(time + 1ms, 1, 0));
  CHECK(generate_id(time, 1, 1) != generate_id(time, 2, 1));
}

TEST_CASE("a composition appears in new/ whole, or not at all") {
  MemoryDisk disk;
  auto drop = Composition::begin(with_folders(disk), "news");
  REQUIRE(drop);
  REQUIRE(drop->append("one "));
  REQUIRE(drop->append("two"));
  CHECK(disk.list("new")->empty());
  REQUIRE(drop->sync());
  REQUIRE(drop->publish());
  CHECK(disk.contents("new/news") == "one two");
  CHECK(disk.list("tmp")->empty());
}

TEST_CASE("a composition given up leaves nothing behind") {
  MemoryDisk disk;
  {
    auto drop = Composition::begin(with_folders(disk), "news");
    REQUIRE(drop->append("one"));
    Composition moved = std::move(*drop);
    CHECK(disk.contents("tmp/news") == "one");
    CHECK(moved.id() == "news");
    *drop = *Composition::begin(disk, "other");
    moved = std::move(*drop); // the first is given up
    CHECK_FALSE(disk.contents("tmp/news"));
  }
  CHECK(disk.list("tmp")->empty());
}

TEST_CASE("a taken name is never overwritten: EEXIST, and the composition is gone") {
  MemoryDisk disk;
  with_folders(disk).put("new/news", "old");
  {
    auto drop = Composition::begin(disk, "news");
    REQUIRE(drop->append("new"));
    const auto published = drop->publish();
    REQUIRE_FALSE(published);
    CHECK(published.error().code == EEXIST);
    CHECK(Composition::begin(disk, "news").error().code == EEXIST); // two writers of one name
  }
  CHECK(disk.contents("new/news") == "old");
  CHECK(disk.list("tmp")->empty());
}

TEST_CASE("what can't be an id can't be composed") {
  MemoryDisk disk;
  with_folders(disk);
  for (const char* id : {"", "../cur/x", "a/b", ".hidden", "news.tmp", "temp.1", "a b"})
    CHECK(Composition::begin(disk, id).error().code == EINVAL);
}

TEST_CASE("a head asks for notices once, behind its own parameters, unless its sender is null") {
  CHECK(asking_for_notices("MAIL FROM:<a@x.example>\nDATA\n") == "MAIL FROM:<a@x.example> XDSN\nDATA\n");
  CHECK(asking_for_notices("mail from:a@x.example RET=FULL\r\nDATA\r\n") ==
        "mail from:a@x.example RET=FULL XDSN\r\nDATA\r\n");
  for (const std::string head : {"MAIL FROM:<a@x.example> xdsn RET=FULL\nDATA\n", "MAIL FROM:<>\nDATA\n",
                                 "MAIL FROM:\nDATA\n", "MAIL FROM:<a@x.example> BOGUS\n", "", "MAIL"})
    CHECK(asking_for_notices(head) == head);
}
