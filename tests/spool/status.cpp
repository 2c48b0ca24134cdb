#include "spool/status/status.h"

#include "spool/status/json_writer.h"
#include "spool/status/recipient_fields.h"
#include "tests/spool/ledger_rig.h"

#include <catch2/catch.hpp>

#include <cerrno>

using namespace bulkmail;
using namespace bulkmail::spool;
using namespace std::chrono_literals;

namespace {

const Wall arrival =
    Wall(std::chrono::sys_days(std::chrono::year(2026) / 11 / 23)) + 20h + 50min + 5s + 123ms;

Message example(bool with_outcomes) {
  EnvelopeBuilder builder;
  builder.sender("list-bounces@example.org");
  builder.recipient("ann@d1.example");
  builder.recipient("b\xC3\xB6\x62@d2.example", {}, "rfc822;Bob+2B1@d2.example");
  builder.recipient("cy@d3.example");
  MessageFacts facts;
  facts.number = 1;
  facts.id = "news-0001";
  facts.name = "news-0001";
  facts.size = 8192;
  facts.message_id = "<x@y>";
  facts.arrival_date = arrival;
  facts.envelope = builder.take();
  facts.envelope.envid = "QQ+2B314159";
  Message message(std::move(facts), arrival + 120h);
  if (!with_outcomes) return message;
  Outcome good = relayed();
  good.tls = TlsInfo{"TLSv1.3", "TLS_AES_256_GCM_SHA384", "dane", true};
  good.last_attempt_date = arrival + 1s;
  message.apply(std::vector<std::uint32_t>{0}, std::make_shared<const Outcome>(good));
  Outcome delayed = delayed_until(arrival + 300s);
  delayed.will_retry_until = arrival + 120h;
  delayed.indeterminate = true;
  message.apply(std::vector<std::uint32_t>{1}, std::make_shared<const Outcome>(delayed));
  return message;
}

std::string json_text(std::string_view text) {
  std::string out;
  append_json_text(out, text);
  return out;
}

} // namespace

TEST_CASE("a status file says all, in the order that is promised") {
  LedgerConfig config;
  config.reporting_mta = "relay.example";
  const std::string json = render_status(example(true).snapshot(arrival + 2s), config);
  CHECK(
      json ==
      R"({"version":1,"id":"news-0001","name":"news-0001","serial":1,"final":false,)"
      R"("reporting_mta":"dns; relay.example","original_envelope_id":"QQ+314159","message_id":"<x@y>",)"
      R"("sender":"list-bounces@example.org","size":8192,"digest":"sha256:)" +
          std::string(64, '0') +
          R"(","arrival_date":"2026-11-23T20:50:05.123Z","updated":"2026-11-23T20:50:07.123Z",)"
          R"("expires":"2026-11-28T20:50:05.123Z","forecast":null,)"
          R"("counts":{"total":3,"relayed":1,"delivered":0,"failed":0,"delayed":1,"queued":1},)"
          R"("recipients":[{"final_recipient":"rfc822; ann@d1.example","original_recipient":null,)"
          R"("action":"relayed","status":"2.0.0","diagnostic_code":"smtp; 250 2.0.0 Ok",)"
          R"("remote_mta":"dns; mx1.d1.example","remote_address":"192.0.2.7","remote_port":25,)"
          R"("tls":{"version":"TLSv1.3","cipher":"TLS_AES_256_GCM_SHA384","policy":"dane","verified":true},)"
          R"("source":"remote","bounce_class":null,"attempts":1,"indeterminate":false,)"
          R"("last_attempt_date":"2026-11-23T20:50:06.123Z","next_attempt_date":null,"will_retry_until":null},)"
          R"({"final_recipient":"utf-8; b)"
          "\xC3\xB6"
          R"(b@d2.example","original_recipient":"rfc822; Bob+1@d2.example",)"
          R"("action":"delayed","status":"4.4.1","diagnostic_code":"x-bulkmail; no answer",)"
          R"("remote_mta":null,"remote_address":null,"remote_port":null,"tls":null,)"
          R"("source":"network","bounce_class":"network","attempts":1,"indeterminate":true,"last_attempt_date":null,)"
          R"("next_attempt_date":"2026-11-23T20:55:05.123Z","will_retry_until":"2026-11-28T20:50:05.123Z"},)"
          R"({"final_recipient":"rfc822; cy@d3.example","original_recipient":null,)"
          R"("action":"queued","status":null,"diagnostic_code":null,"remote_mta":null,"remote_address":null,)"
          R"("remote_port":null,"tls":null,"source":null,"bounce_class":null,"attempts":0,"indeterminate":false,)"
          R"("last_attempt_date":null,"next_attempt_date":null,"will_retry_until":null}]})"
          "\n");
  CHECK_NOTHROW(nlohmann::json::parse(json));
}

TEST_CASE("detail = failures leaves out who has the message") {
  LedgerConfig config;
  config.detail = LedgerConfig::Detail::failures;
  const auto status = nlohmann::json::parse(render_status(example(true).snapshot(arrival), config));
  CHECK(status["counts"]["relayed"] == 1);
  REQUIRE(status["recipients"].size() == 2);
  CHECK(status["recipients"][0]["action"] == "delayed");
}

TEST_CASE("what isn't known is null") {
  EnvelopeBuilder builder;
  builder.recipient("ann@d1.example");
  MessageFacts facts;
  facts.id = "a";
  facts.envelope = builder.take();
  const auto status = nlohmann::json::parse(render_status(Message(std::move(facts), {}).snapshot({}), {}));
  CHECK(status["original_envelope_id"].is_null());
  CHECK(status["message_id"].is_null());
  CHECK(status["sender"] == "");
}

TEST_CASE("a forecast is told of, to the second, as long as something is left to be done") {
  Message message = example(false);
  message.set_forecast(Forecast{arrival + 60s, arrival + 600s});
  auto status = nlohmann::json::parse(render_status(message.snapshot(arrival), {}));
  CHECK(status["forecast"] ==
        nlohmann::json{{"p50", "2026-11-23T20:51:06.000Z"}, {"p99", "2026-11-23T21:00:06.000Z"}});
  message.set_forecast(std::nullopt);
  status = nlohmann::json::parse(render_status(message.snapshot(arrival), {}));
  CHECK(status["forecast"].is_null());
  message.apply(std::vector<std::uint32_t>{0, 1, 2}, std::make_shared<const Outcome>(relayed()));
  status = nlohmann::json::parse(render_status(message.snapshot(arrival), {}));
  CHECK_FALSE(status.contains("forecast"));
}

TEST_CASE(
    "the status of many recipients is rendered some at a time, and is the same whatever their outcomes") {
  constexpr std::uint32_t count = 5'000;
  EnvelopeBuilder builder;
  for (std::uint32_t n = 0; n < count; ++n) builder.recipient("r" + std::to_string(n) + "@example.org");
  MessageFacts facts;
  facts.id = "a";
  facts.envelope = builder.take();
  Message message(std::move(facts), {});
  for (std::uint32_t n = 0; n < count; n += 2) { // so many outcomes that few are kept while it is rendered
    Outcome outcome = relayed();
    outcome.diagnostic_code = "smtp; 250 Ok " + std::to_string(n % 100);
    message.apply(std::vector<std::uint32_t>{n}, std::make_shared<const Outcome>(outcome));
  }
  const Snapshot snapshot = message.snapshot(arrival);
  const LedgerConfig config;
  std::string whole, chunk;
  for (StatusText text(snapshot, config); text.next(chunk); chunk.clear()) {
    CHECK(chunk.size() < 128 * 1024);
    whole += chunk;
  }
  CHECK(whole == render_status(snapshot, config));
  const auto status = nlohmann::json::parse(whole);
  REQUIRE(status["recipients"].size() == count);
  for (std::uint32_t n = 0; n < count; ++n) {
    REQUIRE(status["recipients"][n]["final_recipient"] == "rfc822; r" + std::to_string(n) + "@example.org");
    if (n % 2 == 0)
      REQUIRE(status["recipients"][n]["diagnostic_code"] == "smtp; 250 Ok " + std::to_string(n % 100));
    else
      REQUIRE(status["recipients"][n]["action"] == "queued");
  }
}

TEST_CASE("a refused drop's status names the error") {
  const DropProblem problem{DropProblem::Kind::refused, "truncated", "no final dot", 17};
  const auto status =
      nlohmann::json::parse(render_refusal("a", "a", problem, true, "relay.example", nullptr, arrival));
  CHECK(status["version"] == 1);
  CHECK(status["id"] == "a");
  CHECK(status["final"] == true);
  CHECK(status["error"] == nlohmann::json{{"code", "truncated"}, {"text", "no final dot"}, {"line", 17}});
  CHECK(status["recipients"].empty());
  CHECK(status["digest"].is_null());

  const Digest digest{};
  const auto named = nlohmann::json::parse(render_refusal("bad-12", "not\na name\xFF",
                                                          {DropProblem::Kind::refused, "bad-name", "", 0},
                                                          false, "", &digest, arrival));
  CHECK(named["error"]["name"] == "not\na name\xEF\xBF\xBD");
  CHECK(named["error"]["line"].is_null());
  CHECK(named["final"] == false);
  CHECK(named["digest"] == to_string(digest));
}

TEST_CASE("whatever the bytes, the JSON is valid UTF-8") {
  CHECK(json_text("a\"b\\c\n\r\t\x01\x7F") == R"(a\"b\\c\n\r\t\u0001\u007f)");
  CHECK(json_text("\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x93\xA7") == "\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x93\xA7");
  const std::string bad = "\xEF\xBF\xBD";
  CHECK(json_text("\x80") == bad);
  CHECK(json_text("\xC0\xAF") == bad + bad);                     // overlong
  CHECK(json_text("\xED\xA0\x80") == bad + bad + bad);           // a surrogate
  CHECK(json_text("\xF4\x90\x80\x80") == bad + bad + bad + bad); // beyond Unicode
  CHECK(json_text("\xE2\x82") == bad + bad);                     // cut
  std::uint32_t seed = 1;
  for (int round = 0; round < 2'000; ++round) {
    std::string bytes;
    for (int n = 0; n < 40; ++n) {
      seed = seed * 1'664'525 + 1'013'904'223;
      bytes += static_cast<char>(seed >> 24);
    }
    std::string json;
    JsonWriter(json).begin('{').key("x").string(bytes).end('}');
    CHECK_NOTHROW(nlohmann::json::parse(json)); // it insists on valid UTF-8
  }
}

TEST_CASE("dates are RFC 3339 to the millisecond") {
  std::string out;
  append_date(out, arrival);
  append_date(out, Wall(milliseconds(-1)));
  append_date(out, Wall::max());
  append_date(out, Wall::min());
  CHECK(out ==
        "2026-11-23T20:50:05.123Z1969-12-31T23:59:59.999Z9999-12-31T23:59:59.999Z0000-01-01T00:00:00.000Z");
}

TEST_CASE("xtext is decoded, and what is none stays") {
  CHECK(decode_xtext("a+2Bb+3D") == "a+b=");
  CHECK(decode_xtext("a+2b+") == "a+2b+");
  CHECK(decode_xtext("") == "");
}

TEST_CASE("a reader never sees half a status file, whenever the writer is stopped") {
  const std::string before = "before\n", after(10'000, 'x');
  for (std::uint64_t change = 1;; ++change) {
    MemoryDisk disk;
    static_cast<void>(disk.make_directory("status", 02770));
    disk.put("status/a.json", before);
    disk.crash_at_change(disk.changes() + change);
    bool crashed = false;
    try {
      static_cast<void>(write_status_file(disk, "a", after));
    } catch (const simulation::Crashed&) {
      crashed = true;
    }
    const std::string seen = *disk.contents("status/a.json");
    CHECK((seen == before || seen == after));
    disk.restart(); // what was left lying about is no hindrance
    REQUIRE(write_status_file(disk, "a", after));
    CHECK(*disk.contents("status/a.json") == after);
    CHECK(disk.list("status")->size() == 1);
    if (!crashed) break;
  }
}

TEST_CASE("a status file that doesn't fit leaves the old one and nothing else") {
  MemoryDisk disk;
  static_cast<void>(disk.make_directory("status", 02770));
  disk.put("status/a.json", "before\n");
  disk.set_fault([](MemoryDisk::Operation operation, std::string_view) {
    return operation == MemoryDisk::Operation::append ? ENOSPC : 0;
  });
  CHECK(write_status_file(disk, "a", "after\n").error().code == ENOSPC);
  CHECK(*disk.contents("status/a.json") == "before\n");
  CHECK(disk.list("status")->size() == 1);
}

TEST_CASE("the longest id has a status file") {
  MemoryDisk disk;
  static_cast<void>(disk.make_directory("status", 02770));
  const std::string id = std::string(200, 'n') + "~18446744073709551615";
  CHECK(write_status_file(disk, id, "{}\n"));
}

TEST_CASE("the head of a status file tells its serial, whether it is final, and its digest") {
  MemoryDisk disk;
  static_cast<void>(disk.make_directory("status", 02770));
  CHECK(read_status_head(disk, "a").error().code == ENOENT);
  Message message = example(true);
  message.set_serial(41);
  REQUIRE(write_status_file(disk, "a", render_status(message.snapshot(arrival), {})));
  const auto head = read_status_head(disk, "a");
  REQUIRE(head);
  CHECK(head->serial == 42);
  CHECK_FALSE(head->final);
  CHECK(head->digest == to_string(message.facts()->digest));
  REQUIRE(write_status_file(disk, "a", R"({"id":"\"final\":true,","serial":x)"));
  CHECK_FALSE(read_status_head(disk, "a")->final);
}
