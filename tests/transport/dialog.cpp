// Every conversation of tests/dialogs/*.smtp is played to the client whole, byte by byte, and cut at each
// prefix by a lost connection and by a timeout.
#include "dialog_client.h"
#include "dialog_script.h"

#include <catch2/catch.hpp>

#include <algorithm>

using namespace bulkmail::transport;
using Pace = DialogPlay::Pace;
using End = DialogPlay::End;

TEST_CASE("dialog: the client says and tells what the script has") {
  const auto scripts = read_dialogs(".smtp");
  REQUIRE(scripts.size() >= 40);
  for (const DialogScript& script : scripts) {
    for (const Pace pace : {Pace::whole, Pace::bytes}) {
      // What a host says ahead is caught only if it comes in one read with what it was to answer.
      if (pace == Pace::bytes && script.head("pace") == "one read") continue;
      INFO(script.name << (pace == Pace::whole ? ", whole" : ", byte by byte"));
      const DialogPlay play(script, pace);
      CHECK(play.said == std::vector<std::string>{});
      CHECK(play.told == play.expected);
      CHECK(play.broken == std::vector<std::string>{});
    }
  }
}

TEST_CASE("dialog: cut anywhere, each recipient has one answer and none too good") {
  for (const DialogScript& script : read_dialogs(".smtp")) {
    const auto accepting = accepting_replies(script);
    for (const End end : {End::lost, End::timeout}) {
      for (std::size_t cut = 0; cut < server_octets(script); ++cut) {
        INFO(script.name << ", " << (end == End::lost ? "lost" : "timed out") << " after " << cut
                         << " octets");
        const DialogPlay play(script, Pace::whole, end, cut);
        REQUIRE(play.broken == std::vector<std::string>{});
        const auto answered = std::ranges::count_if(accepting, [&](std::size_t at) { return at <= cut; });
        REQUIRE(play.accepting_transactions <= static_cast<std::size_t>(answered));
      }
    }
  }
}

TEST_CASE("dialog: a script has a header, lines, actions and what is told") {
  const DialogScript script =
      parse_dialog("x", "# story\nmessages: 1\n\nS: 220 a\\x41\nC: half\\\n* quit\n= closed\n");
  CHECK(script.head("messages") == "1");
  REQUIRE(script.steps.size() == 4);
  CHECK(script.steps[0].text == "220 aA\r\n");
  CHECK(script.steps[1].text == "half");
  CHECK(script.steps[2].text == "quit");
  CHECK(script.steps[3].text == "closed");
  CHECK_THROWS(parse_dialog("x", "S: 220\nwhat\n"));
}

TEST_CASE("dialog: a wrong script does not pass") {
  const DialogPlay play(parse_dialog("x", "S: 220 hi\nC: HELO relay.example\n= ready\n"), Pace::whole);
  CHECK(play.said.size() == 1);
  CHECK(play.told != play.expected);
}
