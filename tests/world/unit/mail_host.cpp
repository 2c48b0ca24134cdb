#include "tests/world/unit/running_world.h"

#include <catch2/catch.hpp>

#include <fstream>
#include <sstream>

using namespace bulkmail::world;
using namespace nlohmann::literals;
using namespace bulkmail::world::test;

namespace {

constexpr const char* address = "127.0.3.1";

// A world with one host of these keys.
std::string host(const std::string& keys) {
  return R"({"log_commands": true, "hosts": {"mx1.example": {"address": "127.0.3.1")" +
         std::string(keys.empty() ? "" : ", ") + keys + "}}}";
}

// Past the greeting and EHLO.
void greet(Client& client) {
  REQUIRE(client.reply().starts_with("220 "));
  REQUIRE(client.ask("EHLO client.test").starts_with("250"));
}

std::string deliver(Client& client, const std::string& content,
                    const std::string& recipient = "ann@d1.example") {
  REQUIRE(client.ask("MAIL FROM:<s@client.test>").starts_with("250"));
  REQUIRE(client.ask("RCPT TO:<" + recipient + ">").starts_with("250"));
  REQUIRE(client.ask("DATA").starts_with("354"));
  return client.ask(content + "\r\n.", 1000);
}

} // namespace

TEST_CASE("a good host takes a message and tells what it received") {
  RunningWorld world(host(""));
  Client client(address, world.smtp_port());
  greet(client);
  CHECK(client.ask("MAIL FROM:<s@client.test> SIZE=20 RET=HDRS").starts_with("250"));
  CHECK(client.ask("RCPT TO:<\"a>b\"@d1.example> NOTIFY=NEVER").starts_with("250"));
  CHECK(client.ask("DATA").starts_with("354"));
  CHECK(client.ask("hi\r\n..\r\n.a\r\n.").starts_with("250"));
  CHECK(client.ask("QUIT").starts_with("221"));
  CHECK(client.line() == "<closed>");
  const auto summary = world.stop();
  CHECK(summary["recipients"]["\"a>b\"@d1.example"]["accepted"] == 1);
  CHECK(summary["hosts"]["mx1.example"]["messages"] == 1);
  const auto messages = world.log("message");
  REQUIRE(messages.size() == 1);
  CHECK(messages[0]["size"] == 10); // "hi\r\n.\r\na\r\n"
  CHECK(messages[0]["sha256"] == "215883a3d0a10ee033e52d2cb0d0a17adc45ac79234860dc0534bb15780d8b8d");
  CHECK(messages[0]["mail_parameters"] == "SIZE=20 RET=HDRS");
  CHECK(messages[0]["rcpt_parameters"][0] == "NOTIFY=NEVER");
  CHECK(messages[0]["accepted"] == true);
}

TEST_CASE("all replies of a pipelined group come, in order") {
  RunningWorld world(host(R"("users": {"bad-*": "550 5.1.1 no"})"));
  Client client(address, world.smtp_port());
  greet(client);
  client.send("MAIL FROM:<>\r\nRCPT TO:<bad-1@x.example>\r\nRCPT TO:<b@x.example>\r\nDATA\r\n");
  CHECK(client.reply().starts_with("250"));
  CHECK(client.reply() == "550 5.1.1 no");
  CHECK(client.reply().starts_with("250"));
  CHECK(client.reply().starts_with("354"));
  client.send("x\r\n.\r\nRSET\r\n");
  CHECK(client.reply().starts_with("250 2.0.0 Ok: queued"));
  CHECK(client.reply() == "250 2.0.0 Ok");
  CHECK(world.stop()["recipients"]["bad-1@x.example"]["refused"] == 1);
}

TEST_CASE("a host says nothing, or drips, or delays, or babbles") {
  RunningWorld world(host(R"("when": [
    {"connection": 1, "at": {"greeting": {"silent": true}}},
    {"connection": 2, "at": {"greeting": {"drip": 20}}},
    {"connection": 3, "at": {"greeting": {"delay": 200}}},
    {"connection": 4, "at": {"greeting": {"endless": true}}},
    {"connection": 5, "at": {"greeting": {"raw": "220 \u0000\u0007\u00ff\r\n"}}},
    {"connection": 6, "at": {"greeting": {"then": "reset"}}},
    {"connection": 7, "at": {"greeting": "554 go away"}}])"));
  const auto first = [&](int wait) { return Client(address, world.smtp_port()).line(wait); };
  CHECK(first(200).empty());
  CHECK(first(10).empty());
  CHECK(first(10).empty());
  Client endless(address, world.smtp_port());
  for (int i = 0; i < 100; ++i) REQUIRE(endless.line().starts_with("220-mx1"));
  CHECK(first(1000) == std::string("220 \0\a\xff", 7));
  Client reset(address, world.smtp_port());
  CHECK(reset.line().starts_with("220"));
  CHECK(reset.line() == "<reset>");
  CHECK(first(1000) == "554 go away");
}

TEST_CASE("replies go missing, come twice, or one too late") {
  RunningWorld world(host(R"("when": [
    {"connection": 1, "at": {"noop": {"silent": true}}},
    {"connection": 2, "at": {"noop": {"extra": "250 extra"}}},
    {"connection": 3, "at": {"noop": {"hold": true}}}])"));
  Client missing(address, world.smtp_port());
  greet(missing);
  CHECK(missing.ask("NOOP", 100).empty());
  CHECK(missing.ask("XX").starts_with("500"));
  Client twice(address, world.smtp_port());
  greet(twice);
  CHECK(twice.ask("NOOP") == "250 2.0.0 Ok");
  CHECK(twice.ask("XX") == "250 extra");
  Client held(address, world.smtp_port());
  greet(held);
  CHECK(held.ask("NOOP", 100).empty());
  CHECK(held.ask("XX") == "250 2.0.0 Ok");
  CHECK(held.reply().starts_with("500"));
}

TEST_CASE("a connection lost after the dot leaves the message unanswered") {
  RunningWorld world(host(R"("at": {"end_of_data": {"silent": true, "then": "close"}})"));
  Client client(address, world.smtp_port());
  greet(client);
  CHECK(deliver(client, "x") == "<closed>");
  const auto summary = world.stop();
  CHECK(summary["recipients"]["ann@d1.example"] == R"({"accepted": 0, "unanswered": 1, "refused": 0})"_json);
  CHECK(world.log("message").at(0)["reply"].is_null());
}

TEST_CASE("a client that leaves before a late reply never had it") {
  RunningWorld world(host(R"("at": {"end_of_data": {"delay": "5s"}})"));
  {
    Client client(address, world.smtp_port());
    greet(client);
    CHECK(deliver(client, "x").empty());
  }
  const auto summary = world.stop();
  CHECK(summary["recipients"]["ann@d1.example"]["unanswered"] == 1);
  CHECK(summary["recipients"]["ann@d1.example"]["accepted"] == 0);
}

TEST_CASE("content that a host cuts off is partial, not a message") {
  RunningWorld world(host(R"("at": {"content": {"after": 1000, "then": "reset"}})"));
  Client client(address, world.smtp_port());
  greet(client);
  CHECK(deliver(client, std::string(500, 'x')).starts_with("250"));
  CHECK(deliver(client, std::string(5000, 'x') + "\r\n") == "<reset>");
  const auto summary = world.stop();
  CHECK(summary["hosts"]["mx1.example"]["partial"] == 1);
  CHECK(summary["hosts"]["mx1.example"]["messages"] == 1);
}

TEST_CASE("a deaf host stops taking bytes") {
  RunningWorld world(host(R"("at": {"content": {"after": 1000, "then": "deaf"}})"));
  Client client(address, world.smtp_port());
  greet(client);
  CHECK(client.ask("MAIL FROM:<>").starts_with("250"));
  CHECK(client.ask("RCPT TO:<a@b.example>").starts_with("250"));
  CHECK(client.ask("DATA").starts_with("354"));
  const std::string much(32U << 20, 'x');
  CHECK(client.send_some(much) < much.size());
}

TEST_CASE("a 250 to DATA leaves the host in command mode") {
  RunningWorld world(host(R"("at": {"data": "250 fine"})"));
  Client client(address, world.smtp_port());
  greet(client);
  CHECK(client.ask("MAIL FROM:<>").starts_with("250"));
  CHECK(client.ask("RCPT TO:<a@b.example>").starts_with("250"));
  CHECK(client.ask("DATA") == "250 fine");
  CHECK(client.ask("Subject: content").starts_with("500"));
  CHECK(world.stop()["hosts"]["mx1.example"]["unknown_commands"] == 1);
}

TEST_CASE("limits of recipients, messages and connections") {
  RunningWorld world(host(R"("max_recipients": 1, "max_messages": 1, "max_connections": 1)"));
  Client client(address, world.smtp_port());
  greet(client);
  Client second(address, world.smtp_port());
  CHECK(second.reply().starts_with("421"));
  CHECK(second.line() == "<closed>");
  CHECK(client.ask("MAIL FROM:<>").starts_with("250"));
  CHECK(client.ask("RCPT TO:<a@b.example>").starts_with("250"));
  CHECK(client.ask("RCPT TO:<b@b.example>").starts_with("452 4.5.3"));
  CHECK(client.ask("RSET").starts_with("250"));
  CHECK(client.ask("MAIL FROM:<>").starts_with("421"));
  CHECK(client.line() == "<closed>");
  CHECK(world.stop()["hosts"]["mx1.example"]["max_open"] == 2);
}

TEST_CASE("a client that closes before it opens again never has two open") {
  RunningWorld world(host(""));
  for (int i = 0; i < 50; ++i) {
    Client client(address, world.smtp_port());
    REQUIRE(client.reply().starts_with("220"));
  }
  CHECK(world.stop()["hosts"]["mx1.example"]["max_open"] == 1);
}

TEST_CASE("a greylisting host takes the second try, by sender and recipient") {
  RunningWorld world(host(R"("greylist": "300ms")"));
  Client client(address, world.smtp_port());
  greet(client);
  CHECK(client.ask("MAIL FROM:<s@x.example>").starts_with("250"));
  CHECK(client.ask("RCPT TO:<a@b.example>").starts_with("451"));
  CHECK(client.line(350).empty());
  CHECK(client.ask("RCPT TO:<A@b.example>").starts_with("250"));
  CHECK(client.ask("RCPT TO:<c@b.example>").starts_with("451"));
}

TEST_CASE("the nth attempt of a recipient may fare better") {
  RunningWorld world(host(R"("when": [{"rcpt": "ann@*", "attempt": "1-2", "at": {"rcpt": "450 later"}}])"));
  Client client(address, world.smtp_port());
  greet(client);
  CHECK(client.ask("MAIL FROM:<>").starts_with("250"));
  CHECK(client.ask("RCPT TO:<ann@b.example>") == "450 later");
  CHECK(client.ask("RCPT TO:<bob@b.example>").starts_with("250"));
  CHECK(client.ask("RCPT TO:<ann@b.example>") == "450 later");
  CHECK(client.ask("RCPT TO:<ann@b.example>").starts_with("250"));
}

TEST_CASE("a host that knows HELO alone, and one whose pipelining is broken") {
  RunningWorld world(R"({"hosts": {
    "old.example": {"address": "127.0.3.1", "helo_only": true},
    "broken.example": {"address": "127.0.3.2", "broken_pipelining": true}}})");
  Client old("127.0.3.1", world.smtp_port());
  CHECK(old.reply().starts_with("220"));
  CHECK(old.ask("EHLO c.test").starts_with("502"));
  CHECK(old.ask("HELO c.test").starts_with("250 "));
  Client broken("127.0.3.2", world.smtp_port());
  greet(broken);
  broken.send("MAIL FROM:<>\r\nRCPT TO:<a@b.example>\r\nDATA\r\n");
  CHECK(broken.reply().starts_with("250"));
  CHECK(broken.reply(200).empty());
}

TEST_CASE("latency holds every answer back") {
  RunningWorld world(host(R"("latency": "150ms")"));
  Client client(address, world.smtp_port());
  CHECK(client.reply(50).empty());
  CHECK(client.reply().starts_with("220"));
  client.send("NOOP\r\n");
  CHECK(client.reply(50).empty());
  CHECK(client.reply().starts_with("250"));
}

TEST_CASE("hosts go down, come up, and hang, while the world runs") {
  RunningWorld world(host(R"("down": true)"));
  CHECK_FALSE(Client(address, world.smtp_port()).connected());
  CHECK(world.reload(host("")) == "reloaded");
  CHECK(Client(address, world.smtp_port()).reply().starts_with("220"));
  CHECK(world.reload(host(R"("blackhole": true)")) == "reloaded");
  CHECK_FALSE(Client(address, world.smtp_port()).connected());
  CHECK(world.reload(host(R"("blackhle": true)")).starts_with("error "));
}

TEST_CASE("saved content is what came, byte for byte") {
  const auto folder = std::filesystem::temp_directory_path() / ("world-save-" + std::to_string(getpid()));
  {
    RunningWorld world(R"({"save": ")" + folder.string() +
                       R"(", "hosts": {"mx1.example": {"address": "127.0.3.1"}}})");
    Client client(address, world.smtp_port());
    greet(client);
    CHECK(deliver(client, "a\r\n..b\nc\rd\r\n\r\n").starts_with("250"));
    world.stop();
    CHECK(world.log("message").at(0)["bare"] == 2);
  }
  std::ifstream saved(folder / "1.eml", std::ios::binary);
  std::ostringstream bytes;
  bytes << saved.rdbuf();
  CHECK(bytes.str() == "a\r\n.b\nc\rd\r\n\r\n\r\n");
  std::filesystem::remove_all(folder);
}
