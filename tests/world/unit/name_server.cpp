#include "tests/world/dns_message.h"
#include "tests/world/unit/running_world.h"

#include <catch2/catch.hpp>

using namespace bulkmail::world;
using namespace nlohmann::literals;
using namespace bulkmail::world::test;

namespace {

constexpr std::uint16_t mx = dns::mx, a = dns::a, aaaa = dns::aaaa;

// What the answer to "d1.example MX" looks like under these keys.
std::string answer_under(const std::string& keys) {
  RunningWorld fresh(R"({"names": {"d1.example": {"MX": "10 mx1.example", )" + keys + "}}}");
  return ask_udp(fresh.dns_port(), "d1.example", mx);
}

} // namespace

TEST_CASE("names have the records that the file gives them, and hosts their addresses") {
  RunningWorld world(R"({
    "hosts": {"mx1.example": {"address": ["127.0.3.1", "::1"]}},
    "names": {"d1.example": {"MX": ["10 mx1.example", "20 mx2.example"]}, "null.example": {"MX": "0 ."},
              "*.wild.example": {"A": "127.0.0.9"}, "alias.example": {"CNAME": "d1.example"}}})");
  const auto port = world.dns_port();
  CHECK(answers(ask_udp(port, "d1.example", mx)) == 2);
  CHECK(answers(ask_udp(port, "D1.eXample", mx)) == 2);
  CHECK(ask_udp(port, "D1.eXample", mx)
            .find("\x02"
                  "D1\x07"
                  "eXample") == 12);
  CHECK(answers(ask_udp(port, "mx1.example", a)) == 1);
  CHECK(answers(ask_udp(port, "mx1.example", aaaa)) == 1);
  CHECK(ask_udp(port, "null.example", mx).ends_with(std::string("\0\x03\0\0\0", 5)));
  CHECK(answers(ask_udp(port, "x.wild.example", a)) == 1);
  CHECK(answers(ask_udp(port, "alias.example", mx)) == 3);
  CHECK(rcode(ask_udp(port, "no.example", mx)) == 3);
  CHECK(rcode(ask_udp(port, "example", mx)) == 0);
  CHECK(answers(ask_tcp(port, "d1.example", mx)) == 2);
  const auto summary = world.stop();
  CHECK(summary["dns"]["d1.example"]["MX"] == R"({"udp": 3, "tcp": 1})"_json);
}

TEST_CASE("a name server answers as badly as asked") {
  CHECK(rcode(answer_under(R"("answer": "servfail")")) == 2);
  CHECK(rcode(answer_under(R"("answer": "refused")")) == 5);
  CHECK(rcode(answer_under(R"("answer": "nxdomain")")) == 3);
  CHECK(answers(answer_under(R"("answer": "nodata")")) == 0);
  CHECK(answer_under(R"("answer": "silent")").empty());
  CHECK(truncated(answer_under(R"("answer": "truncated")")));
  CHECK(answer_under(R"("answer": "wrong_id")").substr(0, 2) != dns::wire_u16(4711));
  CHECK(answer_under(R"("answer": "wrong_case")").find("EXAMPLE") != std::string::npos);
  CHECK(answer_under(R"("answer": "wrong_question")").find("x1") == 13);
  CHECK(answer_under(R"("answer": "garbage")").size() == 48);
  const auto raw = answer_under(R"("answer": {"hex": "c00c", "counts": [1, 9, 0, 0]})");
  CHECK(answers(raw) == 9);
  CHECK(raw.ends_with("\xC0\x0C"));
}

TEST_CASE("bad packets come before the good one, and the good one twice") {
  RunningWorld world(R"({"names": {"d1.example": {
    "A": "127.0.0.9", "before": ["wrong_id", "wrong_source", "garbage"], "copies": 2}}})");
  for (const std::size_t nth : {4U, 5U}) CHECK(answers(ask_udp(world.dns_port(), "d1.example", a, nth)) == 1);
  CHECK(ask_udp(world.dns_port(), "d1.example", a, 6).empty());
}

TEST_CASE("an answer that is too large for UDP is truncated, and whole over TCP") {
  RunningWorld world(R"({"names": {"d1.example": {"many_mx": 200}}})");
  CHECK(truncated(ask_udp(world.dns_port(), "d1.example", mx)));
  CHECK(answers(ask_tcp(world.dns_port(), "d1.example", mx)) == 200);
  CHECK(answers(ask_udp(world.dns_port(), "mx-200.many.d1.example", a)) == 1);
  CHECK(rcode(ask_udp(world.dns_port(), "mx-201.many.d1.example", a)) == 3);
}

TEST_CASE("one of two name servers is bad, or down, or has no TCP") {
  RunningWorld world(R"({
    "name_servers": {"good": {}, "bad": {"answer": "servfail"}, "down": {"down": true}, "udp": {"tcp": false}},
    "names": {"d1.example": {"A": "127.0.0.9"}}})");
  const auto port = [&](const std::string& key) {
    const auto text = world.ready()["dns"][key].get<std::string>();
    return static_cast<std::uint16_t>(std::stoi(text.substr(text.rfind(':') + 1)));
  };
  CHECK(rcode(ask_udp(port("good"), "d1.example", a)) == 0);
  CHECK(rcode(ask_udp(port("bad"), "d1.example", a)) == 2);
  CHECK(ask_udp(port("down"), "d1.example", a).empty());
  CHECK(ask_tcp(port("udp"), "d1.example", a).empty());
}

TEST_CASE("behaviour by type, transport and number of the question") {
  RunningWorld world(R"({"names": {"d1.example": {"A": "127.0.0.9", "when": [
    {"type": "AAAA", "answer": "servfail"}, {"transport": "tcp", "answer": "refused"}, {"query": 2, "answer": "silent"}]}}})");
  const auto port = world.dns_port();
  CHECK(rcode(ask_udp(port, "d1.example", aaaa)) == 2);
  CHECK(rcode(ask_udp(port, "d1.example", a)) == 0);
  CHECK(ask_udp(port, "d1.example", a).empty());
  CHECK(rcode(ask_udp(port, "d1.example", a)) == 0);
  CHECK(rcode(ask_tcp(port, "d1.example", a)) == 5);
}
