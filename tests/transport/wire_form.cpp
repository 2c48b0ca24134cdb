#include "transport/content/wire_form.h"

#include "transport/content/dot_stuffing.h"

#include <catch2/catch.hpp>

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

using namespace bulkmail::transport;
using namespace std::string_literals;

namespace {

enum class Stuffing { none, dots };

struct Encoded {
  std::string bytes;
  std::uint64_t size = 0;
  bool eight_bit = false;

  bool operator==(const Encoded&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Encoded& encoded) {
  return out << Catch::StringMaker<std::string>::convert(encoded.bytes) << " size " << encoded.size
             << " eight bit " << encoded.eight_bit;
}

Encoded encode(const std::vector<std::string_view>& blocks, bool source_stuffed, Stuffing stuffing) {
  WireEncoder encoder(source_stuffed);
  DotStuffer stuffer;
  std::string out, wire;
  const auto take = [&] {
    stuffing == Stuffing::dots ? stuffer.append(wire, out) : void(out += wire);
    wire.clear();
  };
  for (const std::string_view block : blocks) {
    encoder.encode(block, wire);
    take();
  }
  encoder.finish(wire);
  take();
  return {out, encoder.size(), encoder.eight_bit()};
}

// Encodes whole, then cut at every pair of places: it must not matter.
std::string encode_all_ways(std::string_view content, bool source_stuffed, Stuffing stuffing) {
  const Encoded whole = encode({content}, source_stuffed, stuffing);
  for (std::size_t first = 0; first <= content.size(); ++first) {
    for (std::size_t second = first; second <= content.size(); ++second) {
      INFO("cut at " << first << " and " << second);
      REQUIRE(
          encode({content.substr(0, first), content.substr(first, second - first), content.substr(second)},
                 source_stuffed, stuffing) == whole);
    }
  }
  if (stuffing == Stuffing::none) CHECK(wire_form(content, source_stuffed) == whole.bytes);
  return whole.bytes;
}

std::string plain(std::string_view content) { return encode_all_ways(content, false, Stuffing::none); }

std::string dotted(std::string_view content) { return encode_all_ways(content, false, Stuffing::dots); }

std::string from_bsmtp(std::string_view content) { return encode_all_ways(content, true, Stuffing::none); }

// What a host that takes any line end for one would read: the messages in what we send with DATA, undone.
std::vector<std::string> messages_a_lax_host_reads(std::string_view wire) {
  std::vector<std::string> messages(1);
  std::string line;
  for (std::size_t i = 0; i < wire.size(); ++i) {
    const char c = wire[i];
    if (c == '\0') continue;
    if (c != '\r' && c != '\n') {
      line += c;
      continue;
    }
    if (c == '\r' && i + 1 < wire.size() && wire[i + 1] == '\n') ++i;
    if (line == ".") {
      messages.emplace_back();
    } else {
      messages.back() += (line.starts_with('.') ? line.substr(1) : line) + "\n";
    }
    line.clear();
  }
  if (!line.empty()) messages.back() += line;
  return messages;
}

} // namespace

TEST_CASE("wire form: every line leaves with CRLF") {
  CHECK(plain("a\nb\n") == "a\r\nb\r\n");
  CHECK(plain("a\r\nb\r\n") == "a\r\nb\r\n");
  CHECK(plain("a\r\nb\nc\r\n\n\r\n") == "a\r\nb\r\nc\r\n\r\n\r\n");
}

TEST_CASE("wire form: a last line without an end gets one") {
  CHECK(plain("a") == "a\r\n");
  CHECK(plain("a\nb") == "a\r\nb\r\n");
  CHECK(dotted(".") == "..\r\n");
}

TEST_CASE("wire form: an empty content stays empty") {
  CHECK(plain("") == "");
  CHECK(dotted("") == "");
  CHECK(from_bsmtp("") == "");
  CHECK(plain("\0"s) == "");
}

TEST_CASE("wire form: a bare CR leaves as a space") {
  CHECK(plain("a\rb\n") == "a b\r\n");
  CHECK(plain("\r\r\n") == " \r\n");
  CHECK(plain("a\r") == "a \r\n");
  CHECK(plain("\r") == " \r\n");
  CHECK(plain("\n\r") == "\r\n \r\n");
  CHECK(plain("a\r\r\rb\r\r\n") == "a   b \r\n");
}

TEST_CASE("wire form: NUL is left out and hides nothing") {
  CHECK(plain("a\0b\n"s) == "ab\r\n");
  CHECK(plain("a\r\0\nb"s) == "a\r\nb\r\n");
  CHECK(dotted("a\n\0.\n"s) == "a\r\n..\r\n");
  CHECK(dotted("a\n\0\0\0.\0\0\n"s) == "a\r\n..\r\n");
}

TEST_CASE("wire form: leading dots are doubled for DATA, at buffer edges too") {
  CHECK(dotted(".\n") == "..\r\n");
  CHECK(dotted("..\n.a\na.\n") == "...\r\n..a\r\na.\r\n");
  CHECK(dotted("\n.\n\n.") == "\r\n..\r\n\r\n..\r\n");
}

TEST_CASE("wire form: doubled dots of the source are undone before anything else") {
  CHECK(from_bsmtp("..\n") == ".\r\n");
  CHECK(from_bsmtp("...a\n..b\nc..\n") == "..a\r\n.b\r\nc..\r\n");
  CHECK(from_bsmtp("a\r\n..\r\n") == "a\r\n.\r\n");
  CHECK(encode_all_ways("..\n...\n..a\n", true, Stuffing::dots) == "..\r\n...\r\n..a\r\n");
}

TEST_CASE("wire form: a single leading dot in a stuffed source is kept") {
  CHECK(from_bsmtp(".a\n.\n.\r\n.\r.\n") == ".a\r\n.\r\n.\r\n. .\r\n");
  CHECK(from_bsmtp("a\n.") == "a\r\n.\r\n");
  CHECK(from_bsmtp("a\n.\r") == "a\r\n. \r\n");
  CHECK(encode_all_ways(".\n", true, Stuffing::dots) == "..\r\n");
}

TEST_CASE("wire form: size counts the octets before dot-stuffing") {
  CHECK(encode({"..a\nb\rc\n."}, false, Stuffing::dots).size ==
        std::string_view("..a\r\nb c\r\n.\r\n").size());
  CHECK(encode({"..a\n"}, true, Stuffing::dots).size == std::string_view(".a\r\n").size());
  CHECK(encode({""}, false, Stuffing::dots).size == 0);
}

TEST_CASE("wire form: octets over 127 are noticed and left alone") {
  CHECK_FALSE(encode({std::string(100, '\x7f')}, false, Stuffing::dots).eight_bit);
  for (std::size_t at = 0; at < 40; ++at) {
    std::string text(40, 'a');
    text[at] = '\x80';
    CHECK(encode({text}, false, Stuffing::dots).eight_bit);
    CHECK(plain(text) == text + "\r\n");
  }
}

TEST_CASE("wire form: a line of any length is sent as it is") {
  const std::string line(100'000, 'x');
  CHECK(wire_form(line + "\n", false) == line + "\r\n");
}

TEST_CASE("wire form: headers leave as they came, folded and odd ones too") {
  const std::string message = "Subject: a\r\n\tb\r\nX-Odd:c  \r\nBcc: d@example.org\r\nFrom e\r\n\r\n";
  CHECK(plain(message) == message);
}

TEST_CASE("wire form: no body can end the data before its end") {
  const std::vector<std::string> line_ends{"\n",      "\r",    "\r\n",  "\r\r\n", "\n\r",
                                           "\r\0\n"s, "\n\0"s, "\0\n"s, "\r\0"s};
  const std::vector<std::string> dots{".", ".\0"s, "\0."s, "..", ".\r"};
  for (const std::string& before : line_ends) {
    for (const std::string& dot : dots) {
      for (const std::string& after : line_ends) {
        const std::string body = "Subject: x\r\n\r\nfirst" + before + dot + after +
                                 "MAIL FROM:<evil@example.org>\r\nRCPT TO:<a@example.org>\r\nDATA\r\n";
        for (const bool source_stuffed : {false, true}) {
          const std::string wire = encode_all_ways(body.substr(10, 30), source_stuffed, Stuffing::dots);
          const std::string all = encode({body}, source_stuffed, Stuffing::dots).bytes + ".\r\n";
          INFO(Catch::StringMaker<std::string>::convert(all));
          CHECK(wire.find('\0') == std::string::npos);
          const std::vector<std::string> messages = messages_a_lax_host_reads(all);
          REQUIRE(messages.size() == 2);
          CHECK(messages.back().empty());
          for (std::size_t i = 0; i < all.size(); ++i) {
            if (all[i] == '\n') REQUIRE((i > 0 && all[i - 1] == '\r'));
            if (all[i] == '\r') REQUIRE((i + 1 < all.size() && all[i + 1] == '\n'));
          }
        }
      }
    }
  }
}

TEST_CASE("wire form: ordinary text is encoded faster than any network takes it", "[.speed]") {
  std::string text;
  while (text.size() < (1 << 16))
    text += "The quick brown fox jumps over the lazy dog, and then it does it once more.\n";
  constexpr int rounds = 20'000;
  std::string out;
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < rounds; ++i) {
    out.clear();
    WireEncoder encoder(true);
    encoder.encode(text, out);
    encoder.finish(out);
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  const double rate = static_cast<double>(text.size()) * rounds / took.count();
  WARN("GB/s: " << rate / 1e9);
  CHECK(rate > 1e9);
}
