#include "spool/drop/content_scan.h"

#include <catch2/catch.hpp>

#include <random>
#include <vector>

using bulkmail::spool::ContentScan;

namespace {

struct Found {
  std::uint64_t size, lines;
  bool eight_bit;
  std::string message_id;

  bool operator==(const Found&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Found& found) {
  return out << found.size << " octets, " << found.lines << " lines, id " << found.message_id;
}

Found scan(std::string_view content, bool stuffed, std::size_t block = 1 << 20) {
  ContentScan scan(stuffed);
  for (std::size_t i = 0; i < content.size(); i += block) scan.add(content.substr(i, block));
  scan.finish();
  return {scan.size(), scan.lines(), scan.eight_bit(), scan.message_id()};
}

// The wire form octet by octet, as plainly as it can be said.
std::string wire_form(std::string content, bool stuffed) {
  std::erase(content, '\0');
  std::string wire;
  bool line_start = true;
  for (std::size_t i = 0; i < content.size(); ++i) {
    if (stuffed && line_start && content.compare(i, 2, "..") == 0) ++i;
    line_start = false;
    if (content[i] == '\r' && i + 1 < content.size() && content[i + 1] == '\n') continue;
    if (content[i] == '\n') {
      wire += "\r\n";
      line_start = true;
    } else {
      wire += content[i] == '\r' ? ' ' : content[i];
    }
  }
  return line_start ? wire : wire + "\r\n";
}

} // namespace

TEST_CASE("a content's size is that of its wire form before dot-stuffing") {
  using namespace std::string_literals;
  CHECK(scan("", false).size == 0);
  CHECK(scan("a\r\nb\r\n", false).size == 6);
  CHECK(scan("a\nb\n", false).size == 6);
  CHECK(scan("a\rb\n", false).size == 5);    // a bare CR is a space
  CHECK(scan("a\0\0b\n"s, false).size == 4); // NUL is left out
  CHECK(scan("a\r\0\n"s, false).size == 3);  // and parts no CRLF
  CHECK(scan("a", false).size == 3);         // the last line gets its end
  CHECK(scan("a\r", false).size == 4);
  CHECK(scan("\0"s, false).size == 0);
  CHECK(scan("..a\n", true).size == 4);
  CHECK(scan("..a\n", false).size == 5);
  CHECK(scan(".a\n", true).size == 4); // not doubled: the writer's own
  CHECK(scan("a..\n", true).size == 5);
}

TEST_CASE("size, lines, octets over 127 and Message-ID are the same wherever the blocks are cut") {
  std::mt19937 random(20261124);
  constexpr std::string_view letters("ab.\r\n\n.\0\xe4 ", 11);
  for (int round = 0; round < 3000; ++round) {
    std::string content = round % 3 == 0 ? "Message-ID:\r\n <x@y>\r\n" : "";
    for (auto length = random() % 40; length > 0; --length) content += letters[random() % letters.size()];
    for (const bool stuffed : {false, true}) {
      const Found whole = scan(content, stuffed);
      CHECK(whole.size == wire_form(content, stuffed).size());
      for (const std::size_t block : {1, 2, 3, 7}) CHECK(scan(content, stuffed, block) == whole);
    }
  }
}

TEST_CASE("one octet over 127 anywhere makes a content eight-bit") {
  for (std::size_t at = 0; at < 40; ++at) {
    std::string content(40, 'a');
    CHECK_FALSE(scan(content, false).eight_bit);
    content[at] = '\x80';
    CHECK(scan(content, false).eight_bit);
  }
}

TEST_CASE("the Message-ID is that of the first header block, folded or not") {
  CHECK(scan("Subject: x\r\nMessage-ID: <a@b>\r\nTo: x\r\n\r\nbody", false).message_id == "<a@b>");
  CHECK(scan("message-id:<a@b>\n\n", false).message_id == "<a@b>");
  CHECK(scan("MESSAGE-ID:\r\n\t<a@b>\r\n\r\n", false).message_id == "<a@b>");
  CHECK(scan("Message-ID: <a@b>", false).message_id == "<a@b>"); // the file ends there
  CHECK(scan("Message-ID: <a@b> (comment)\n\n", false).message_id == "<a@b>");
  CHECK(scan("Message-ID: <a@b>\nMessage-ID: <c@d>\n\n", false).message_id == "<a@b>");
  CHECK(scan("Message-ID: odd\n folded\n\n", false).message_id == "odd folded");
}

TEST_CASE("a Message-ID elsewhere, or one that is endless, is none") {
  CHECK(scan("Subject: x\n\nMessage-ID: <a@b>\n", false).message_id.empty());
  CHECK(scan("Subject: x\n Message-ID: <a@b>\n\n", false).message_id.empty());
  CHECK(scan("X-Message-ID: <a@b>\n\n", false).message_id.empty());
  CHECK(scan("Message-ID: <" + std::string(5000, 'a') + "@b>\n\n", false).message_id.empty());
  std::string folded = "Message-ID: <";
  for (int i = 0; i < 500; ++i) folded += "aaaaaaaaaa\n ";
  CHECK(scan(folded + ">\n\n", false).message_id.empty());
}
