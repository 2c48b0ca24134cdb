// The admin socket's lines and what people read of them.
#include "agent/control/frames.h"
#include "agent/control/views.h"

#include <catch2/catch.hpp>

using namespace bulkmail;
using namespace bulkmail::agent;
using nlohmann::json;

TEST_CASE("every request reads as it was written") {
  using enum Request::Command;
  for (const auto& request : std::initializer_list<Request>{
           {.command = ping},
           {.command = flush},
           {.command = flush, .domain = "d1.example"},
           {.command = flush, .id = "news-1"},
           {.command = flush, .sender = "<>"},
           {.command = hold, .all = true},
           {.command = hold, .site = "10 mx.example"},
           {.command = release, .sender = "*.example.org"},
           {.command = cancel, .id = "news-1"},
           {.command = drain},
           {.command = queue},
           {.command = show, .id = "news-1"},
       }) {
    const auto line = request.serialise();
    CHECK(line.find('\n') == line.size() - 1);
    const auto read = Request::parse(line);
    REQUIRE(read);
    CHECK(*read == request);
  }
}

TEST_CASE("a line that is no request is answered with what is wrong") {
  for (const std::string_view line : {"",
                                      "ping",
                                      "[]",
                                      "{}",
                                      "{\"command\":\"reboot\"}",
                                      "{\"command\":5}",
                                      "{\"command\":\"show\"}",
                                      "{\"command\":\"flush\",\"domain\":5}",
                                      "{\"command\":\"ping\"} x",
                                      "{\"command\":\"\xff\"}",
                                      "null",
                                      R"({"command":"hold"})",
                                      R"({"command":"release"})",
                                      R"({"command":"cancel"})",
                                      R"({"command":"hold","id":"a","sender":"b"})",
                                      R"({"command":"cancel","id":"a","all":true})",
                                      R"({"command":"flush","site":"a","domain":"b"})",
                                      R"({"command":"hold","domain":"d1.example"})",
                                      R"({"command":"hold","all":1})",
                                      R"({"command":"cancel","all":false})",
                                      R"({"command":"hold","sender":["a"]})"}) {
    INFO(line);
    const auto read = Request::parse(line);
    REQUIRE_FALSE(read);
    CHECK_FALSE(read.error().empty());
    CHECK(Response::parse(Response::failure(read.error()).serialise())->error == read.error());
  }
  CHECK_FALSE(
      Request::parse("{\"command\":\"flush\",\"domain\":\"" + std::string(Request::max_line, 'x') + "\"}"));
  CHECK_FALSE(Request::parse(std::string(Request::max_line, '[')));
}

TEST_CASE("an answer reads as it was written, whatever bytes a peer's reply put into it") {
  const auto answer = Response::success({{"last_reply", "451 \xff\n\x1b[31m"}});
  const auto line = answer.serialise();
  CHECK(line.find('\n') == line.size() - 1);
  const auto read = Response::parse(line);
  REQUIRE(read);
  CHECK(read->ok);
  CHECK(read->body["last_reply"].is_string());
  CHECK(Response::parse(Response::success().serialise())->body.is_null());
  for (const std::string_view wrong : {"", "{}", "[]", "{\"ok\":1}", "{\"ok\":false,\"error\":1}"})
    CHECK_FALSE(Response::parse(wrong));
}

TEST_CASE("lines come out of a stream however it is cut, and one without end is not kept") {
  LineBuffer lines(10);
  CHECK(lines.feed("on"));
  CHECK_FALSE(lines.next());
  CHECK(lines.feed("e\ntwo\nthr"));
  CHECK(lines.next() == "one");
  CHECK(lines.next() == "two");
  CHECK_FALSE(lines.next());
  CHECK(lines.feed("ee\n\n"));
  CHECK(lines.next() == "three");
  CHECK(lines.next() == "");
  CHECK(lines.feed("0123456789"));
  CHECK_FALSE(lines.feed("0"));
}

TEST_CASE("an order's answer is a line that says how much it was about") {
  using enum Request::Command;
  CHECK(order_view({.command = hold}, {{"messages", 1}, {"recipients", 20}}) ==
        "held: 1 message, 20 recipients\n");
  CHECK(order_view({.command = cancel}, {{"messages", 2}, {"recipients", 1}}) ==
        "cancelled: 2 messages, 1 recipient\n");
  CHECK(order_view({.command = release}, {{"holds", 1}}) == "released: 1 hold\n");
}

TEST_CASE("the queue is shown as tables, and a reply's control characters never reach the terminal") {
  const json queue{{"agent", {{"pid", 42}, {"version", "1.0"}, {"uptime_s", 3725}, {"sessions", 3}}},
                   {"messages",
                    {{{"id", "news-1"},
                      {"sender", ""},
                      {"size", 8192},
                      {"arrival_date", "1970-01-01T00:00:00.500Z"},
                      {"counts", {{"total", 10}, {"delayed", 2}, {"queued", 1}, {"failed", 4}}},
                      {"next_attempt_date", "1970-01-02T01:00:00.000Z"}}}},
                   {"sites",
                    {{{"site", "10 mx.d1.example"},
                      {"hosts", {"mx.d1.example", "mx2.d1.example"}},
                      {"recipients", 3},
                      {"sessions", 1},
                      {"window", 5},
                      {"next_attempt_date", nullptr},
                      {"last_reply", "451 4.7.1 \x1b[31mred"}}}}};
  const Wall now(std::chrono::hours(24));
  CHECK(queue_view(queue, now) ==
        "agent 42, version 1.0, up 1h2m, 3 sessions\n"
        "\n"
        "ID      AGE  SIZE  SENDER  NEXT   RECIPIENTS\n"
        "news-1  1d   8192  <>      in 1h  3 of 10 waiting, 4 failed\n"
        "\n"
        "HOSTS                          WAITING  SESSIONS  NEXT  LAST REPLY\n"
        "mx.d1.example, mx2.d1.example  3        1/5       -     451 4.7.1 \\x1B[31mred\n");
}

TEST_CASE("what is held by hand stands above the queue and beside what it holds") {
  const json queue{
      {"agent",
       {{"pid", 42}, {"recipients", {{"ready", 2}, {"delayed", 0}, {"held", 1}, {"in_attempt", 4}}}}},
      {"holds", {{{"all", true}}, {{"id", "news-1"}}, {{"sender", "<>"}}, {{"site", "mx.example"}}}},
      {"messages", {{{"id", "news-1"}, {"held", true}, {"counts", {{"total", 3}, {"queued", 3}}}}}},
      {"sites", {{{"hosts", {"mx.example"}}, {"held", true}, {"recipients", 3}}}}};
  const auto view = queue_view(queue, Wall{});
  CHECK_THAT(view, Catch::Contains("\n7 recipients in the queue: 4 being sent, 2 ready, 1 held\n"
                                   "held by hand: all mail, news-1, from <>, to mx.example\n"));
  CHECK_THAT(view, Catch::Contains("3 of 3 waiting, held\n"));
  CHECK_THAT(view, Catch::Contains("mx.example  3        0/0       held  -\n"));
  CHECK_NOTHROW(queue_view({{"agent", {{"recipients", 1}}}, {"holds", {1, {{"all", "x"}}}}}, Wall{}));
}

TEST_CASE("the oldest message stands first") {
  const json queue{{"messages",
                    {{{"id", "young"}, {"arrival_date", "2026-11-24T08:00:00.000Z"}},
                     {{"id", "old"}, {"arrival_date", "2026-11-23T08:00:00.000Z"}}}}};
  const auto view = queue_view(queue, Wall{});
  CHECK(view.find("\nold ") < view.find("\nyoung "));
}

TEST_CASE("an answer without the expected fields is shown without them") {
  const Wall now{};
  CHECK_THAT(queue_view(json(), now), Catch::EndsWith("no message waits\n"));
  CHECK_NOTHROW(
      queue_view({{"messages", {1, "x", nullptr, json::object()}}, {"sites", {json::array()}}}, now));
  CHECK_NOTHROW(message_view(json::array({1}), now));
  CHECK_NOTHROW(message_view({{"recipients", {1}}, {"counts", "x"}, {"error", 5}}, now));
}

TEST_CASE("a message is shown with each recipient, a refused drop with its reason") {
  const json status{
      {"id", "n"},
      {"sender", "s@x.example"},
      {"size", 5},
      {"arrival_date", "a"},
      {"expires", "e"},
      {"counts", {{"total", 1}, {"delayed", 1}}},
      {"recipients",
       {{{"final_recipient", "rfc822; a@d"},
         {"action", "delayed"},
         {"status", "4.4.3"},
         {"attempts", 2},
         {"remote_mta", nullptr},
         {"diagnostic_code", "x-bulkmail; no answer"}}}},
      {"forecast", {{"p50", "1970-01-01T00:05:00.000Z"}, {"p99", "1970-01-01T02:00:00.000Z"}}},
      {"holding",
       {{{"cause", "the site's rate"},
         {"where", "10 mx.example"},
         {"recipients", 1},
         {"until", "1970-01-01T00:00:30.000Z"}},
        {{"cause", "not looked at"}, {"where", nullptr}, {"recipients", 2}, {"until", nullptr}}}}};
  const auto page = message_view(status, Wall{});
  CHECK_THAT(page, Catch::Contains("sender      s@x.example\n"));
  CHECK_THAT(page, Catch::Contains("forecast    half done in 5m, 99 % in 2h\n"
                                   "waits       1 recipient: the site's rate, in 30s (10 mx.example)\n"
                                   "waits       2 recipients: not looked at\n"));
  CHECK_THAT(page, Catch::EndsWith("rfc822; a@d  delayed  4.4.3   2         -     x-bulkmail; no answer\n"));
  CHECK(
      message_view({{"id", "b"}, {"error", {{"code", "truncated"}, {"text", "no final dot"}, {"line", 17}}}},
                   Wall{}) == "id       b\nrefused  no final dot (truncated)\nline     17\n");
}
