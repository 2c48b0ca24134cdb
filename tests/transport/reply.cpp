#include "transport/reply.h"

#include "transport/printable.h"

#include <catch2/catch.hpp>

#include <string>
#include <string_view>

using namespace bulkmail::transport;
using namespace std::string_literals;

namespace {

// Parses one reply that takes all bytes: whole, and byte by byte.
Reply parse(std::string_view bytes) {
  ReplyParser whole;
  REQUIRE(whole.feed(bytes) == bytes.size());
  INFO(whole.problem());
  REQUIRE(whole.done());
  ReplyParser slow;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    REQUIRE_FALSE(slow.done());
    REQUIRE(slow.feed(bytes.substr(i, 1)) == 1);
    REQUIRE(slow.begun());
  }
  REQUIRE(slow.done());
  Reply reply = whole.take();
  const Reply other = slow.take();
  CHECK(reply.code == other.code);
  CHECK(reply.enhanced == other.enhanced);
  CHECK(reply.lines == other.lines);
  return reply;
}

std::string problem(std::string_view bytes) {
  ReplyParser parser;
  parser.feed(bytes);
  CHECK_FALSE(parser.done());
  return parser.problem();
}

} // namespace

TEST_CASE("reply: a line has a code, an enhanced code and text") {
  const Reply reply = parse("250 2.1.5 Ok\r\n");
  CHECK(reply.code == 250);
  CHECK(reply.enhanced == "2.1.5");
  CHECK(reply.lines == std::vector<std::string>{"2.1.5 Ok"});
  CHECK(reply.text() == "250 2.1.5 Ok");
  CHECK(reply.positive());
}

TEST_CASE("reply: the code may stand alone") {
  CHECK(parse("354\r\n").text() == "354");
  CHECK(parse("250 \r\n").text() == "250");
  CHECK(parse("220\n").code == 220);
}

TEST_CASE("reply: lines are joined for people") {
  const Reply reply = parse("550-5.1.1 No such user\r\n550-\r\n550 5.1.1 Try again\r\n");
  CHECK(reply.lines.size() == 3);
  CHECK(reply.text() == "550 5.1.1 No such user / 5.1.1 Try again");
  CHECK(reply.enhanced == "5.1.1");
}

TEST_CASE("reply: an enhanced code must be one, and of the code's class") {
  CHECK(parse("550 4.1.1 liar\r\n").enhanced.empty());
  CHECK(parse("354 3.0.0 go\r\n").enhanced.empty());
  CHECK(parse("550 5.1 short\r\n").enhanced.empty());
  CHECK(parse("550 5..1 short\r\n").enhanced.empty());
  CHECK(parse("550 5.1.\r\n").enhanced.empty());
  CHECK(parse("550 5.1.1234 long\r\n").enhanced.empty());
  CHECK(parse("550 5.1.1: glued\r\n").enhanced.empty());
  CHECK(parse("550 5.7.123\r\n").enhanced == "5.7.123");
}

TEST_CASE("reply: what comes behind it is left for the next one") {
  ReplyParser parser;
  const std::string_view bytes = "250 a\r\n550-b\r\n550 c\r\n";
  const std::size_t first = parser.feed(bytes);
  CHECK(first == 7);
  CHECK(parser.reply().text() == "250 a");
  CHECK(parser.feed(bytes.substr(first)) == 0);
  parser.next();
  CHECK_FALSE(parser.begun());
  CHECK(parser.feed(bytes.substr(first)) == bytes.size() - first);
  CHECK(parser.take().text() == "550 b / c");
  parser.feed("250 d\r\n");
  CHECK(parser.take().text() == "250 d");
}

TEST_CASE("reply: a shorter one after a longer one has nothing of it") {
  ReplyParser parser;
  parser.feed("250-a\r\n250-b\r\n250 5.0.0 c\r\n");
  parser.next();
  parser.feed("550-d\r\n550 e\r\n");
  CHECK(parser.reply().lines == std::vector<std::string>{"d", "e"});
  CHECK(parser.reply().enhanced.empty());
}

TEST_CASE("reply: what is no reply is told so") {
  for (const std::string_view bytes :
       {"HTTP/1.1 400 Bad Request\r\n", "\r\n", "25\r\n", "250x\r\n", "25o ok\r\n", "150 x\r\n", "650 x\r\n",
        " 250 x\r\n", "250_x\r\n", "\n"}) {
    CHECK_THAT(problem(bytes), Catch::Contains("is no reply"));
  }
}

TEST_CASE("reply: the code must not change between its lines") {
  CHECK(problem("250-a\r\n550 b\r\n") == "the code changes from 250 to 550 within a reply");
}

TEST_CASE("reply: a line or a reply without end is cut off") {
  CHECK(problem("250 " + std::string(ReplyParser::max_line, 'x')) == "a line without end");
  std::string lines;
  for (std::size_t i = 0; i <= ReplyParser::max_lines; ++i) lines += "250-\r\n";
  CHECK(problem(lines) == "a reply without end");
  std::string wide;
  while (wide.size() <= ReplyParser::max_reply) wide += "250-" + std::string(1000, 'x') + "\r\n";
  CHECK(problem(wide) == "a reply without end");
  ReplyParser dribble;
  std::size_t fed = 0;
  for (; dribble.problem().empty(); ++fed) dribble.feed("2");
  CHECK(fed == ReplyParser::max_line + 1);
}

TEST_CASE("reply: control bytes never get out, UTF-8 does") {
  CHECK(parse("550 a\x1b[2Jb\tc\0d\x7f\r\r\n"s).text() == "550 a\\x1B[2Jb\\x09c\\x00d\\x7F\\x0D");
  CHECK(parse("550 Empf\xc3\xa4nger \xe2\x82\xac \xf0\x9f\x93\xa7\r\n").text() ==
        "550 Empf\xc3\xa4nger \xe2\x82\xac \xf0\x9f\x93\xa7");
  CHECK(parse("550 \xe4 \xc2\x85 \xc0\xaf \xed\xa0\x80 \xf4\x90\x80\x80 \xe2\x82\r\n").text() ==
        "550 \\xE4 \\xC2\\x85 \\xC0\\xAF \\xED\\xA0\\x80 \\xF4\\x90\\x80\\x80 \\xE2\\x82");
}

TEST_CASE("reply: its text is bounded and not cut inside a character") {
  std::string bytes;
  for (int i = 0; i < 10; ++i)
    bytes += (i < 9 ? "550-" : "550 ") + std::string(499, 'x') + "\xe2\x82\xac\r\n";
  const std::string text = parse(bytes).text();
  CHECK(text.size() <= 1000);
  CHECK(text.size() > 990);
  for (std::size_t pad = 990; pad <= 1000; ++pad) {
    const std::string start(pad, 'x');
    const std::string euro = printable(start + "\xe2\x82\xac\xe2\x82\xac");
    CHECK(euro.size() <= 1000);
    CHECK((euro.size() - pad) % 3 == 0);
    const std::string escaped = printable(start + "\x01\x01");
    CHECK(escaped.size() <= 1000);
    CHECK((escaped.size() - pad) % 4 == 0);
  }
}

TEST_CASE("reply: too many recipients is told by code and enhanced code") {
  CHECK(too_many_recipients(parse("452 4.5.3 Too many recipients\r\n")));
  CHECK(too_many_recipients(parse("552 5.5.3 Too many recipients\r\n")));
  CHECK(too_many_recipients(parse("452 Too many recipients\r\n")));
  CHECK(too_many_recipients(parse("552 Too many recipients\r\n")));
  CHECK_FALSE(too_many_recipients(parse("452 4.2.2 Mailbox full\r\n")));
  CHECK_FALSE(too_many_recipients(parse("552 5.2.2 Mailbox full\r\n")));
  CHECK_FALSE(too_many_recipients(parse("450 4.5.3 x\r\n")));
}
