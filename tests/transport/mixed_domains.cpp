#include "transport/mixed_domains.h"

#include <catch2/catch.hpp>

#include <string>

using namespace bulkmail::transport;
using Kind = RecipientResult::Kind;

namespace {

bool refuses(std::string_view line, Kind kind = Kind::refused) {
  ReplyParser parser;
  parser.feed(std::string(line) + "\r\n");
  REQUIRE(parser.done());
  return refuses_mixed_domains(
      {.kind = kind, .stage = Stage::rcpt, .reply = parser.take(), .text = {}, .enhanced = {}});
}

} // namespace

TEST_CASE("Hosts that take one domain a transaction are understood, for now or for good") {
  for (const auto* line : {
           "451-4.3.0 Multiple destination domains per transaction is unsupported.\r\n451 4.3.0 Please try "
           "again.",
           "550 5.7.1 Only one recipient domain per session is allowed",
           "452 4.5.3 One domain per session please",
           "421 4.7.0 one domain per transaction",
           "554 5.5.0 mixed domains in one envelope",
           "550 All recipients must be in the same domain",
           "452 4.5.3 Too many recipient domains",
           "450 4.1.0 DIFFERENT DOMAINS IN ONE MESSAGE",
       }) {
    INFO(line);
    CHECK(refuses(line));
  }
  CHECK(refuses("452 4.5.3 Too many domains", Kind::again));
}

TEST_CASE("What is said of one recipient or of the message is no refusal of mixed domains") {
  for (const auto* line : {
           "550 5.1.1 no such user",
           "452 4.5.3 Too many recipients",
           "550 5.1.2 unknown domain",
           "450 4.7.1 the sender's domain cannot be resolved",
           "550 5.7.1 multiple policy violations",
           "451 4.7.1 greylisted, try again",
       }) {
    INFO(line);
    CHECK_FALSE(refuses(line));
  }
  CHECK_FALSE(refuses("250 2.0.0 multiple domains taken", Kind::accepted));
  CHECK_FALSE(refuses_mixed_domains(
      {.kind = Kind::lost, .stage = Stage::rcpt, .reply = {}, .text = "lost", .enhanced = {}}));
}
