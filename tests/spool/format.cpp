#include "spool/drop/format.h"

#include "spool/digest.h"
#include "tests/spool/format_memory_file.h"

#include <catch2/catch.hpp>
#include <fmt/format.h>

using namespace bulkmail::spool;
using namespace std::string_literals;

namespace {

// Parsed from memory and through windows of several sizes, which must all say the same.
std::expected<ParsedDrop, DropProblem> parse(const std::string& bytes) {
  auto whole = parse_drop(bytes);
  for (const std::size_t block : {1, 2, 3, 5, 17}) {
    MemoryFile file(bytes);
    const auto pieces = parse_drop(file, bytes.size(), block);
    REQUIRE(pieces.has_value() == whole.has_value());
    if (whole) {
      CHECK(pieces->digest == whole->digest);
      CHECK(pieces->size == whole->size);
      CHECK(pieces->content.offset == whole->content.offset);
      CHECK(pieces->content.length == whole->content.length);
      CHECK(pieces->message_id == whole->message_id);
      CHECK(pieces->eight_bit == whole->eight_bit);
      CHECK(pieces->small_content == whole->small_content);
      CHECK(pieces->envelope.size() == whole->envelope.size());
      CHECK(pieces->envelope.sender() == whole->envelope.sender());
    } else {
      CHECK(pieces.error().code == whole.error().code);
      CHECK(pieces.error().line == whole.error().line);
      CHECK(pieces.error().text == whole.error().text);
    }
  }
  return whole;
}

ParsedDrop parsed(const std::string& bytes) {
  auto drop = parse(bytes);
  if (!drop) FAIL(drop.error().code << ": " << drop.error().text);
  return std::move(*drop);
}

DropProblem problem(const std::string& bytes) {
  INFO(bytes);
  auto drop = parse(bytes);
  REQUIRE_FALSE(drop.has_value());
  return drop.error();
}

void check_refused(const std::string& bytes, const std::string& code, std::size_t line) {
  INFO(bytes);
  const DropProblem found = problem(bytes);
  CHECK(found.kind == DropProblem::Kind::refused);
  CHECK(found.code == code);
  CHECK(found.line == line);
  CHECK_FALSE(found.text.empty());
}

void check_incomplete(const std::string& bytes) {
  INFO(bytes);
  const DropProblem found = problem(bytes);
  CHECK(found.kind == DropProblem::Kind::incomplete);
  CHECK(found.code == "truncated");
  CHECK_FALSE(found.text.empty());
}

std::string crlf(std::string text) {
  for (std::size_t at = 0; (at = text.find('\n', at)) != text.npos; at += 2) text.insert(at, "\r");
  return text;
}

// As Exim writes it.
const std::string whole_drop =
    "HELO relay.example\n"
    "MAIL FROM:<list-bounces@example.org> SIZE=100 BODY=8BITMIME RET=HDRS ENVID=a+2Bb XVERP\n"
    "RCPT TO:<ann@d1.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;Ann@d1.example\n"
    "RCPT TO:<bob@d2.example>\n"
    "DATA\n"
    "Message-ID: <x@y>\n"
    "\n"
    "one\n"
    "..two\n"
    ".\n"
    "QUIT\n";

std::string bsmtp(const std::string& mail, const std::string& rcpt = "<b@c>") {
  return "MAIL FROM:" + mail + "\nRCPT TO:" + rcpt + "\nDATA\n.\n";
}

} // namespace

TEST_CASE("a BSMTP drop is read whole, with LF and with CRLF") {
  for (const std::string& bytes : {whole_drop, crlf(whole_drop)}) {
    const ParsedDrop drop = parsed(bytes);
    CHECK(drop.digest == sha256(bytes));
    CHECK(drop.content.dot_stuffed);
    const std::string content = bytes.substr(drop.content.offset, drop.content.length);
    CHECK(content == (bytes == whole_drop ? "Message-ID: <x@y>\n\none\n..two\n"
                                          : crlf("Message-ID: <x@y>\n\none\n..two\n")));
    CHECK(drop.small_content == content);
    CHECK(drop.size == crlf("Message-ID: <x@y>\n\none\n.two\n").size());
    CHECK(drop.message_id == "<x@y>");
    CHECK_FALSE(drop.eight_bit);

    const Envelope& envelope = drop.envelope;
    CHECK(envelope.sender() == "list-bounces@example.org");
    CHECK(envelope.declared_size == 100U);
    CHECK(envelope.body == Body::eight_bit_mime);
    CHECK(envelope.ret == Ret::headers);
    CHECK(envelope.envid == "a+2Bb");
    CHECK(envelope.verp == Verp{'+', '='});
    REQUIRE(envelope.size() == 2);
    CHECK(envelope.recipient(0).address == "ann@d1.example");
    CHECK(envelope.recipient(0).notify == Notify{.given = true, .success = true, .delay = true});
    CHECK(envelope.recipient(0).orcpt == "rfc822;Ann@d1.example");
    CHECK(envelope.recipient(1).address == "bob@d2.example");
  }
}

TEST_CASE("HELO and QUIT are optional, verbs have no case, brackets are optional") {
  CHECK(parsed("mail from:a@b\nrcpt to:c@d\ndata\nx\n.\n").envelope.sender() == "a@b");
  CHECK(parsed("ehlo\nMail From: <a@b>\nRcpt To: c@d NOTIFY=never\nDATA\nx\n.\nquit")
            .envelope.recipient(0)
            .notify.never);
  CHECK(parsed(bsmtp("<>")).envelope.sender().empty());
  CHECK(parsed(bsmtp("")).envelope.sender().empty());
  CHECK(parsed(bsmtp("<\"a > b\"@c> RET=FULL")).envelope.sender() == "\"a > b\"@c");
  CHECK(parsed(bsmtp("\"a b\"@c RET=FULL")).envelope.ret == Ret::full);
}

TEST_CASE(
    "every prefix of a right BSMTP drop is incomplete, never refused; behind its final dot it is whole") {
  for (const std::string& bytes : {whole_drop, crlf(whole_drop)}) {
    const std::string end = bytes == whole_drop ? "\n" : "\r\n";
    const std::size_t dotted = bytes.find(end + "." + end) + 1 + 2 * end.size();
    for (std::size_t length = 0; length < bytes.size(); ++length) {
      INFO(length);
      const std::string prefix = bytes.substr(0, length);
      const bool has_quit = prefix.find(end + "QUIT") != prefix.npos;
      if (length == dotted || has_quit)
        CHECK(parse(prefix).has_value());
      else
        check_incomplete(prefix);
    }
  }
}

TEST_CASE("every prefix of the other formats is incomplete until the message begins") {
  const std::string nullmailer = "a@b\nc@d\ne@f\n\nSubject: x\n\nbody\n";
  for (std::size_t length = 0; length < nullmailer.find("Subject"); ++length)
    check_incomplete(nullmailer.substr(0, length));
  const std::string exchange = "X-Sender: <a@b>\nX-Receiver: <c@d>\nX-Receiver: <e@f>\nSubject: x\n\nbody\n";
  for (std::size_t length = 0; length <= exchange.find("Subject"); ++length)
    check_incomplete(exchange.substr(0, length));
}

TEST_CASE("all parameters of MAIL and RCPT are taken") {
  const Envelope mail =
      parsed(bsmtp("<a@b> SMTPUTF8 REQUIRETLS MT-PRIORITY=-9 BODY=7bit ret=full XVERP=-% SIZE=0")).envelope;
  CHECK(mail.smtp_utf8);
  CHECK(mail.require_tls);
  CHECK(mail.mt_priority == -9);
  CHECK(mail.body == Body::seven_bit);
  CHECK(mail.ret == Ret::full);
  CHECK(mail.verp == Verp{'-', '%'});
  CHECK(mail.declared_size == 0U);
  CHECK(parsed(bsmtp("<a@b> BODY=BINARYMIME MT-PRIORITY=9")).envelope.body == Body::binary_mime);

  const Envelope rcpt =
      parsed(bsmtp("<a@b>", "<c@d> ORCPT=utf-8;j\xc3\xb6rg@d NOTIFY=failure,delay,success")).envelope;
  CHECK(rcpt.recipient(0).orcpt == "utf-8;j\xc3\xb6rg@d");
  CHECK(rcpt.recipient(0).notify == Notify{.given = true, .success = true, .failure = true, .delay = true});
}

TEST_CASE("an unknown verb or parameter is refused at once, with its line") {
  check_refused("MAIL FROM:<a@b>\nRSET\n", "unknown-verb", 2);
  check_refused("HELO x\nVRFY a\n", "unknown-verb", 2);
  check_refused("MAIL FROM:<a@b>\nRCPT TO:<c@d>\nRCPT <e@f>\n", "unknown-verb", 3);
  check_refused("MAIL FROM:<a@b>\nBLA", "unknown-verb", 2); // though it has not ended yet
  check_refused("MAIL FROM:<a@b> AUTH=<>\n", "unknown-parameter", 1);
  check_refused("MAIL FROM:<a@b> NOTIFY=NEVER\n", "unknown-parameter", 1);
  check_refused("MAIL FROM:<a@b>\nRCPT TO:<c@d> RET=FULL\n", "unknown-parameter", 2);
  check_refused("MAIL FROM:<a@b>\nRCPT TO:<c@d> <e@f>\n", "unknown-parameter", 2);
}

TEST_CASE("a parameter with a wrong value, or given twice, is refused") {
  for (const char* mail : {"SIZE",
                           "SIZE=",
                           "SIZE=x",
                           "SIZE=1x",
                           "SIZE=-1",
                           "SIZE=99999999999999999999",
                           "BODY=9BIT",
                           "BODY",
                           "SMTPUTF8=1",
                           "RET=ALL",
                           "RET",
                           "ENVID",
                           "ENVID=",
                           "ENVID=a=b",
                           "ENVID=+zz",
                           "ENVID=+2",
                           "XVERP=",
                           "XVERP=+",
                           "XVERP=+=+",
                           "XVERP=@=",
                           "XVERP=+.",
                           "REQUIRETLS=1",
                           "MT-PRIORITY=10",
                           "MT-PRIORITY=",
                           "MT-PRIORITY",
                           "RET=FULL RET=FULL",
                           "size=1 SIZE=1"}) {
    INFO(mail);
    check_refused(fmt::format("HELO x\nMAIL FROM:<a@b> {}\n", mail), "bad-parameter", 2);
  }
  check_refused("MAIL FROM:<a@b> ENVID=" + std::string(101, 'x') + "\n", "bad-parameter", 1);
  for (const char* rcpt : {"NOTIFY", "NOTIFY=", "NOTIFY=NEVER,DELAY", "NOTIFY=SUCCESS,", "NOTIFY=ALWAYS",
                           "ORCPT=a@b", "ORCPT=;a@b", "ORCPT=rfc822;", "ORCPT=rfc822;a+b",
                           "ORCPT=rfc822;\xc3\xb6", "ORCPT=utf-8;\xc3", "NOTIFY=DELAY NOTIFY=DELAY"}) {
    INFO(rcpt);
    check_refused(fmt::format("MAIL FROM:<a@b>\nRCPT TO:<c@d> {}\n", rcpt), "bad-parameter", 2);
  }
  check_refused("MAIL FROM:<a@b>\nRCPT TO:<c@d> ORCPT=rfc822;" + std::string(500, 'x') + "\n",
                "bad-parameter", 2);
}

TEST_CASE("commands out of their order are refused") {
  check_refused("HELO x\nHELO x\n", "bad-sequence", 2);
  check_refused("HELO x\nRCPT TO:<a@b>\n", "bad-sequence", 2);
  check_refused("HELO x\nDATA\n", "bad-sequence", 2);
  check_refused("MAIL FROM:<a@b>\nMAIL FROM:<a@b>\n", "bad-sequence", 2);
  check_refused("MAIL FROM:<a@b>\nRCPT TO:<c@d>\nMAIL FROM:<a@b>\n", "bad-sequence", 3);
  check_refused("MAIL FROM:<a@b>\nRCPT TO:<c@d>\nQUIT\n", "bad-sequence", 3);
  check_refused("MAIL FROM:<a@b>\nDATA\n", "no-recipients", 2);
}

TEST_CASE("one message a file: bytes behind QUIT, or behind the dot other than QUIT, are refused") {
  const std::string message = "MAIL FROM:<a@b>\nRCPT TO:<c@d>\nDATA\nx\n.\n";
  check_refused(message + "QUIT\n\n", "trailing-bytes", 7);
  check_refused(message + "QUIT\n" + message, "trailing-bytes", 7);
  check_refused(message + message, "trailing-bytes", 6);
  check_refused(message + "\n", "trailing-bytes", 6);
  check_refused(message + "QUITS", "trailing-bytes", 6);
  check_refused(message + "QUIT\r\n", "trailing-bytes", 6);
  check_refused(crlf(message) + "QUIT\n", "trailing-bytes", 6);
  check_refused(message + "QUIT\n" + std::string(100'000, 'x'), "trailing-bytes", 7);
}

TEST_CASE("CR, LF or NUL inside an envelope line refuses the drop") {
  check_refused("MAIL FROM:<a\rb@c>\n", "bad-line", 1);
  check_refused("MAIL FROM:<a@c>\nRCPT TO:<a\0@c>\n"s, "bad-line", 2);
  check_refused("MAIL FROM:<a@c>\r\nRCPT TO:<b@c>\nDATA\r\n", "bad-line",
                2); // a bare LF where lines end in CRLF
  check_refused("MAIL FROM:<a@c>\nRCPT TO:<b@c>\r\nDATA\n", "bad-line", 2);
  check_refused("a@c\nb@c\r\n\n", "bad-line", 2);
  check_refused("a@c\nb\0@c\n\n"s, "bad-line", 2);
  check_refused("X-Sender: a@b\nX-Receiver: c\0@d\n"s, "bad-line", 2);
  check_refused("MAIL FROM:<a\0"s, "bad-line", 1); // though it has not ended yet
}

TEST_CASE("a malformed sender refuses the drop") {
  for (const char* sender :
       {"<@>", "<u@>", "<u>", "u", "<a b@c>", "<a@b", "<<a@b>>", "<a@b>x", "<a@[1.2.3]>", "<u\t@d>"})
    check_refused(fmt::format("HELO x\nMAIL FROM:{}\n", sender), "bad-sender", 2);
  check_refused("MAIL FROM:<" + std::string(65, 'l') + "@d>\n", "bad-sender", 1);
  check_refused("X-Sender: <u@>\n", "bad-sender", 1);
}

TEST_CASE("a malformed recipient is kept and marked, and holds no other up") {
  const std::string long_path = "u@" + std::string(253, 'd');
  for (const std::string& bad : {"<@>"s, "<u@>"s, "<>"s, ""s, "u"s, "<"s, "<a b@c>"s, "<a<b@c>"s, "<a>b@c>"s,
                                 "<a@b"s, "<u@[1.2.3.400]>"s, "<" + std::string(65, 'l') + "@d>",
                                 "<" + long_path + ">", "<\"a@b>"s, "<u@d\xff>"s}) {
    INFO(bad);
    const ParsedDrop drop =
        parsed("MAIL FROM:<a@b>\nRCPT TO:<c@d>\nRCPT TO:" + bad + "\nRCPT TO:<e@f>\nDATA\n.\n");
    REQUIRE(drop.envelope.size() == 3);
    CHECK_FALSE(drop.envelope.recipient(0).malformed);
    CHECK(drop.envelope.recipient(1).malformed);
    CHECK(drop.envelope.recipient(2).address == "e@f");
  }
  CHECK(parsed("a@b\nu@\nc@d\na b@c\n\nx").envelope.recipient(2).malformed);
  CHECK(parsed("X-Sender:a@b\nX-Receiver: u@\nx:y\n").envelope.recipient(0).malformed);
  const ParsedDrop drop = parsed(bsmtp("<a@b>", "<a b@c> NOTIFY=NEVER"));
  const Recipient recipient = drop.envelope.recipient(0);
  CHECK(recipient.address == "a b@c");
  CHECK(recipient.notify.never);
}

TEST_CASE("only line 1's kind of CRLF-dot-CRLF ends the message; every other arrangement is content") {
  const std::string head = "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n";
  for (const std::string& middle :
       {"\n.\n"s, "\r.\r"s, "\n.\r\n"s, "\r\n.\n"s, "\r\n.\r"s, "\r.\r\n"s, "\r\n\0.\r\n"s, "\r\n.\0\r\n"s,
        "\r\n..\r\n"s, "\r\n.\r\r\n"s, "\n\n.\r\n"s}) {
    INFO(middle);
    const std::string content = "x" + middle + "MAIL FROM:<evil@e>\r\n";
    const ParsedDrop drop = parsed(head + content + ".\r\n");
    CHECK(drop.small_content == content);
    CHECK(drop.content.offset == head.size());
    check_incomplete(head + content);
  }
  const std::string lf_head = "MAIL FROM:<a@b>\nRCPT TO:<c@d>\nDATA\n";
  for (const std::string& middle : {"\r.\r"s, "\n.\r\n"s, "\r.\n"s, "\n.\r"s, "\n\0.\n"s, "\n..\n"s}) {
    INFO(middle);
    const std::string content = "x" + middle + "MAIL FROM:<evil@e>\n";
    CHECK(parsed(lf_head + content + ".\n").small_content == content);
  }
}

TEST_CASE("the final dot ends the message wherever the windows are cut, and dots at line starts do not") {
  for (std::size_t padding = 0; padding < 40; ++padding) {
    const std::string content = std::string(padding, 'x') + "\n..\n...\n..x\n.y\n";
    const ParsedDrop drop = parsed("MAIL FROM:<a@b>\nRCPT TO:<c@d>\nDATA\n" + content + ".\n");
    CHECK(drop.small_content == content);
  }
}

TEST_CASE("a content of 0 bytes, in each format") {
  CHECK(parsed("MAIL FROM:<a@b>\nRCPT TO:<c@d>\nDATA\n.\n").content.length == 0);
  CHECK(parsed("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n.\r\n").size == 0);
  const ParsedDrop nullmailer = parsed("a@b\nc@d\n\n");
  CHECK(nullmailer.content.length == 0);
  CHECK(nullmailer.content.offset == 9);
}

TEST_CASE("a nullmailer drop: sender, recipients, an empty line, the message without dot-stuffing") {
  const std::string content = "Subject: x\n\n..\n.\nQUIT\nunended";
  const ParsedDrop drop = parsed("<a@b>\n c@d \n<\"e f\"@g>\nc@D\n\n" + content);
  CHECK(drop.envelope.sender() == "a@b");
  REQUIRE(drop.envelope.size() == 2);
  CHECK(drop.envelope.recipient(0).address == "c@d");
  CHECK(drop.envelope.recipient(1).local == "\"e f\"");
  CHECK_FALSE(drop.content.dot_stuffed);
  CHECK(drop.small_content == content);
  CHECK(drop.size == crlf(content).size() + 2);
  CHECK(parsed("\nc@d\n\nx").envelope.sender().empty());
  CHECK(parsed("<>\r\nc@d\r\n\r\nx\n").small_content == "x\n");
  CHECK(parsed("helo@example\nc@d\n\nx").envelope.sender() == "helo@example");
  check_refused("a@b\n\nx", "no-recipients", 2);
}

TEST_CASE("an X-Sender drop: its header lines are stripped, the rest is the message") {
  const std::string content = "Subject: x\n\nX-Receiver: no@one\n";
  const ParsedDrop drop = parsed("x-sender: <a@b>\nX-RECEIVER:c@d\nX-Receiver: e@f\n" + content);
  CHECK(drop.envelope.sender() == "a@b");
  REQUIRE(drop.envelope.size() == 2);
  CHECK(drop.envelope.recipient(1).address == "e@f");
  CHECK(drop.small_content == content);
  CHECK_FALSE(drop.content.dot_stuffed);
  CHECK(parsed("X-Sender:\nX-Receiver: c@d\n\nbody").envelope.sender().empty());
  CHECK(parsed("X-Sender:<>\r\nX-Receiver: c@d\r\nA: b\n\nbody").small_content == "A: b\n\nbody");
  CHECK(parsed("X-Sender:a@b\nX-Receiver: c@d\n\0\r"s + std::string(200'000, 'x')).content.length == 200'002);
  check_refused("X-Sender: <a@b>\nSubject: x\n", "no-recipients", 1);
}

TEST_CASE("recipients come from the envelope only") {
  const ParsedDrop drop = parsed("a@b\nc@d\n\nTo: x@y\nCc: z@y\nBcc: q@y\n\n");
  REQUIRE(drop.envelope.size() == 1);
  CHECK(drop.envelope.recipient(0).address == "c@d");
}

TEST_CASE("garbage is refused at once with a text that names the formats") {
  for (const std::string& bytes :
       {"this is no drop\n"s, "this is no drop"s, "From: a@b\nTo: c@d\n\nx\n"s, "\x7f"s + "ELF\x02\x01\x01\n",
        "\x7f"s + "ELF", "a\n"s, "@\nc@d\n\n"s, "{\"json\":1}\n"s, "RCPT TO:<a@b>\n"s}) {
    INFO(bytes);
    check_refused(bytes, "unknown-format", 1);
    CHECK(problem(bytes).text.find("nullmailer") != std::string::npos);
  }
  check_refused("MAIL FROM:\0\n"s, "bad-line", 1);
}

TEST_CASE("an envelope line is bounded, a line of the content is not") {
  const std::string endless(max_envelope_line + 1, 'x');
  CHECK(parse_drop(endless).error().code == "line-too-long");
  CHECK(parse_drop("MAIL FROM:<a@b>\nRCPT TO:<" + endless + ">\n").error().code == "line-too-long");
  CHECK(parse_drop("MAIL FROM:<a@b>\nRCPT TO:<" + endless + ">\n").error().kind ==
        DropProblem::Kind::refused);

  const std::string bytes = "MAIL FROM:<a@b>\nRCPT TO:<c@d>\nDATA\n" + std::string(10 << 20, 'x') + "\n.\n";
  MemoryFile file(bytes);
  const auto drop = parse_drop(file, bytes.size());
  REQUIRE(drop);
  CHECK(drop->size == (10 << 20) + 2);
  CHECK(drop->small_content.empty());
  CHECK(file.largest_read() <= drop_block);
}

TEST_CASE("small content is handed out whole, larger content not at all") {
  const std::string head = "a@b\nc@d\n\n";
  const std::string small(ParsedDrop::small, 's');
  for (const std::size_t block : {std::size_t{1000}, drop_block}) {
    MemoryFile file(head + small);
    CHECK(parse_drop(file, head.size() + small.size(), block)->small_content == small);
    MemoryFile larger(head + small + "s");
    CHECK(parse_drop(larger, head.size() + small.size() + 1, block)->small_content.empty());
  }
}

TEST_CASE("a file shorter than it was said to be ends there") {
  MemoryFile file(whole_drop.substr(0, 150));
  const auto drop = parse_drop(file, whole_drop.size());
  REQUIRE_FALSE(drop);
  CHECK(drop.error().kind == DropProblem::Kind::incomplete);
}

TEST_CASE("an error of the disk is told as such wherever it strikes") {
  for (std::size_t good = 0; good < whole_drop.size(); good += 10) {
    MemoryFile file(whole_drop);
    file.fail_behind(good);
    const auto drop = parse_drop(file, whole_drop.size(), 10);
    REQUIRE_FALSE(drop);
    CHECK(drop.error().kind == DropProblem::Kind::unreadable);
  }
}

TEST_CASE("100,000 recipients in a window of 64 KiB") {
  std::string bytes = "MAIL FROM:<a@b>\r\n";
  for (int i = 0; i < 100'000; ++i) bytes += fmt::format("RCPT TO:<user{}@d{}.example>\r\n", i, i % 1000);
  bytes += "DATA\r\nx\r\n.\r\n";
  MemoryFile file(bytes);
  const auto drop = parse_drop(file, bytes.size());
  REQUIRE(drop);
  CHECK(drop->envelope.size() == 100'000);
  CHECK(drop->envelope.recipient(99'999).address == "user99999@d999.example");
  CHECK(drop->small_content == "x\r\n");
  CHECK(file.largest_read() <= drop_block);
}

TEST_CASE("a digest goes on from a copy and from a part of a file") {
  const std::string bytes(200'000, 'd');
  MemoryFile file(bytes);
  Sha256 sum;
  REQUIRE(hash_range(file, 0, 1000, sum));
  Sha256 saved = sum;
  for (int again = 0; again < 2; ++again) {
    Sha256 rest = saved;
    REQUIRE(hash_range(file, 1000, bytes.size(), rest));
    CHECK(rest.finish() == sha256(bytes));
  }
  CHECK(sum.finish() == sha256(bytes.substr(0, 1000)));
  CHECK_FALSE(hash_range(file, 0, bytes.size() + 1, saved));
}
