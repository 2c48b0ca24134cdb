#include "tests/world/world_file.h"

#include <catch2/catch.hpp>

using namespace bulkmail::world;

TEST_CASE("generated domains lead to their hosts, and entries are laid over them") {
  const auto world = WorldFile::parse(
      R"({"generate": [{"count": 5, "host_count": 3, "mx": 2, "host": {"max_recipients": 9}}],
    "hosts": {"mx2.example": {"latency": 5}}, "names": {"d5.example": {"answer": "servfail"}}})");
  REQUIRE(world.hosts.size() == 3);
  CHECK(world.hosts.at("mx2.example").addresses == std::vector<std::string>{"127.0.2.2"});
  const auto& rules = world.hosts.at("mx2.example");
  CHECK(rules.get(&HostKeys::max_recipients, Moment{}, std::uint64_t{0}) == 9);
  CHECK(rules.get(&HostKeys::latency, Moment{}, milliseconds(0)) == milliseconds(5));
  const auto& d3 = world.names.at("d3.example");
  REQUIRE(d3.mx.size() == 2);
  CHECK(d3.mx[0].exchange == "mx3.example");
  CHECK(d3.mx[1].exchange == "mx1.example");
  CHECK(world.names.at("d5.example").mx.size() == 2);
  CHECK(world.names.at("mx1.example").a.size() == 1);
}

TEST_CASE("a wrong world file is refused with the place of the mistake") {
  const auto mistake = [](const char* text) -> std::string {
    try {
      WorldFile::parse(text);
    } catch (const FileError& error) {
      return error.what();
    }
    return "none";
  };
  CHECK(mistake(R"({"hots": {}})") == "hots: no such key");
  CHECK(mistake(R"({"hosts": {"a.example": {"address": "127.0.0.1", "at": {"rcp": "250"}}}})") ==
        "hosts.a.example.at.rcp: no such stage");
  CHECK(mistake(R"({"hosts": {"a.example": {}}})") == "hosts.a.example.address: is missing");
  CHECK(mistake(R"({"names": {"a.example": {"MX": "mx.example"}}})")
            .starts_with("names.a.example.MX: must be like"));
  CHECK(mistake(R"({"names": {"a.example": {"answer": "maybe"}}})") ==
        "names.a.example.answer: no such answer");
  CHECK(mistake(
            R"({"hosts": {"a.example": {"address": "127.0.0.1", "when": [{"rcpt": "x", "down": true}]}}})") ==
        "hosts.a.example.when.0.down: no such key");
  CHECK(mistake("{").starts_with("[json.exception.parse_error"));
}
