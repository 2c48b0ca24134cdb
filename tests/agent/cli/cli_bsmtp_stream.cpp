// How a batch of BSMTP transactions is taken apart, however its bytes come in.
#include "agent/cli/bsmtp_stream.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <vector>

using bulkmail::agent::BsmtpStream;

namespace {

// The transactions of `input`, which comes `step` octets at a time; the error as the last one.
std::vector<std::string> transactions(std::string_view input, std::size_t step) {
  BsmtpStream stream([&](std::string& into) -> std::expected<bool, std::string> {
    const auto part = input.substr(0, step);
    into += part;
    input.remove_prefix(part.size());
    return !part.empty();
  });
  std::vector<std::string> all;
  for (;;) {
    const auto head = stream.next_head();
    if (!head) return all.push_back("error: " + head.error()), all;
    if (head->empty()) return all;
    std::string whole = *head;
    for (bool more = true; more;) {
      const auto read = stream.next_content(whole);
      if (!read) return all.push_back("error: " + read.error()), all;
      more = *read;
    }
    all.push_back(whole);
  }
}

} // namespace

TEST_CASE("a batch is taken apart at the same places however it is cut") {
  const std::string lf = "MAIL FROM:<a@x>\nRCPT TO:<b@y>\nDATA\nHi\n\n..\n .\n.x\n\r\n.\r\n.\n";
  const std::string crlf =
      "mail from:<a@x>\r\nRCPT TO:<b@y>\r\ndata\r\nHi\n.\nMAIL FROM:<eve@x>\r\n..\r\n\r\r\n.\r\n";
  const std::string empty = "MAIL FROM:<>\r\nRCPT TO:<b@y>\r\nDATA\r\n.\r\n";
  const std::string input = "HELO me\n" + lf + crlf + "NOOP\r\nRSET\r\n" + empty + "QUIT\r\n";
  for (std::size_t step = 1; step <= input.size(); ++step) {
    INFO(step);
    REQUIRE(transactions(input, step) == std::vector<std::string>{lf, crlf, empty});
  }
}

TEST_CASE("a batch may end without QUIT and without a last line end behind it") {
  const std::string one = "MAIL FROM:<>\nRCPT TO:<b@y>\nDATA\n.\n";
  CHECK(transactions(one, 7) == std::vector<std::string>{one});
  CHECK(transactions(one + "QUIT", 7) == std::vector<std::string>{one});
  CHECK(transactions("", 7).empty());
}

TEST_CASE("a batch cut anywhere inside a transaction is an error") {
  const std::string one = "MAIL FROM:<>\nRCPT TO:<b@y>\nDATA\nx\n.\n";
  for (std::size_t cut = 1; cut < one.size(); ++cut) {
    const auto all = transactions(std::string_view(one).substr(0, cut), 3);
    INFO(cut);
    REQUIRE(all.size() == 1);
    CHECK(all[0].starts_with("error: "));
  }
}

TEST_CASE("an error of the input is handed on") {
  BsmtpStream stream(
      [](std::string&) -> std::expected<bool, std::string> { return std::unexpected("gone"); });
  CHECK(stream.next_head().error() == "gone");
}
