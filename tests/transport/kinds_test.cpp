// What each transport opens for a recipient, and what it makes of how that ended.
#include "transport/kinds/kind.h"
#include "transport/kinds/mailbox.h"
#include "transport/kinds/pipe/sysexits.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <array>
#include <set>

namespace bulkmail::transport::kinds::test {
namespace {

using spool::Action;
using namespace std::chrono_literals;

using List = std::vector<std::string>;

Letter letter(std::string recipient = "ann@d1.example") {
  return {.id = "news-1",
          .sender = "list@example.org",
          .recipient = std::move(recipient),
          .hostname = "relay.example",
          .random = 0x1234,
          .now = Wall{} + 1700000000123ms};
}

std::shared_ptr<const Delivery> made(const char* kind, const Options& options = {}) {
  const auto delivery = find_kind(kind)->make(options);
  REQUIRE(delivery);
  return *delivery;
}

std::shared_ptr<const Delivery> program(List command = {"/usr/bin/x"}) {
  return made("pipe", {{"command", std::move(command)}});
}

spool::Outcome exited(int code, std::string said = {}) {
  return program()->outcome(letter(), {Ending::Kind::done, code, std::move(said)}, {});
}

} // namespace

TEST_CASE("the table has each transport once", "[kinds]") {
  std::set<std::string_view> names;
  for (const Kind& kind : kinds()) {
    names.insert(kind.name);
    CHECK((kind.make == nullptr) == (kind.sessions != Kind::Sessions::none));
    CHECK(find_kind(kind.name) == &kind);
  }
  CHECK(names == std::set<std::string_view>{"smtp", "lmtp", "pipe", "maildir", "discard", "error"});
  CHECK(find_kind("uucp") == nullptr);
}

TEST_CASE("discard delivers, error fails as told", "[kinds]") {
  const auto discarded = made("discard")->outcome(letter(), {}, {});
  CHECK(discarded.action == Action::delivered);
  CHECK(discarded.status == "2.0.0");
  CHECK_FALSE(made("discard")->opening(letter()));
  const auto refused =
      made("error", {{"status", std::string("5.7.1")}, {"text", std::string("no mail here")}})
          ->outcome(letter(), {}, {});
  CHECK(refused.action == Action::failed);
  CHECK(refused.status == "5.7.1");
  CHECK(refused.diagnostic_code == "x-bulkmail; no mail here");
  CHECK(made("error")->outcome(letter(), {}, {}).status == "5.1.2");
}

TEST_CASE("an exit status means what sysexits.h says", "[kinds]") {
  struct Row {
    int code;
    Action action;
    std::string status;
  };

  for (const Row& row : {Row{0, Action::delivered, "2.0.0"},
                         {64, Action::failed, "5.3.5"},
                         {65, Action::failed, "5.6.0"},
                         {66, Action::failed, "5.3.0"},
                         {67, Action::failed, "5.1.1"},
                         {68, Action::failed, "5.1.2"},
                         {69, Action::failed, "5.3.0"},
                         {70, Action::failed, "5.3.0"},
                         {71, Action::delayed, "4.3.0"},
                         {72, Action::failed, "5.3.0"},
                         {73, Action::failed, "5.2.0"},
                         {74, Action::failed, "5.3.0"},
                         {75, Action::delayed, "4.3.0"},
                         {76, Action::failed, "5.5.0"},
                         {77, Action::failed, "5.7.0"},
                         {78, Action::failed, "5.3.5"},
                         {1, Action::failed, "5.3.0"},
                         {79, Action::failed, "5.3.0"}}) {
    const auto outcome = exited(row.code);
    INFO(row.code);
    CHECK(outcome.action == row.action);
    CHECK(outcome.status == row.status);
    CHECK(outcome.source == spool::Source::local);
  }
}

TEST_CASE("what a program says of itself tells more than its exit status", "[kinds]") {
  CHECK(exited(1, "4.2.2 mailbox full\n").action == Action::delayed);
  CHECK(exited(1, "4.2.2 mailbox full\n").status == "4.2.2");
  CHECK(exited(75, "5.1.1 gone").action == Action::failed);
  CHECK(exited(67, "\n 5.7.1 go away\nmore").diagnostic_code ==
        "x-bulkmail; /usr/bin/x exited with 67 (user unknown): 5.7.1 go away");
  // Class 2 of a failure is no answer, and neither is a number that is not a status.
  CHECK(exited(67, "2.0.0 fine").status == "5.1.1");
  CHECK(exited(75, "5.1 gone").action == Action::delayed);
  CHECK(exited(75, "5.1.1gone").action == Action::delayed);
  // What ends well is delivered, whatever it says.
  CHECK(exited(0, "5.1.1 gone").action == Action::delivered);
  CHECK(exited(67, "evil\x1b[2J").diagnostic_code.find('\x1b') == std::string::npos);
}

TEST_CASE("a program that was killed, took too long or could not be started delays", "[kinds]") {
  for (const auto kind : {Ending::Kind::killed, Ending::Kind::timed_out, Ending::Kind::broken}) {
    const auto outcome = program()->outcome(letter(), {kind, 9, "5.1.1 gone"}, {});
    CHECK(outcome.action == Action::delayed);
    CHECK(outcome.status == "4.3.0");
  }
}

TEST_CASE("a program has its arguments one by one, and the envelope in its environment", "[kinds]") {
  const auto opening =
      made("pipe", {{"command", List{"/bin/x", "--to={recipient}", "{local}", "$HOME;{domain}"}},
                    {"environment", List{"LANG=C"}},
                    {"timeout", std::chrono::milliseconds(5s)}})
          ->opening(letter("a b;`c`@d1.example"));
  REQUIRE(opening);
  CHECK(opening->kind == Opening::Kind::process);
  CHECK(opening->timeout == 5s);
  CHECK(opening->arguments == List{"/bin/x", "--to=a b;`c`@d1.example", "a b;`c`", "$HOME;d1.example"});
  const auto has = [&](const char* variable) {
    return std::ranges::find(opening->environment, variable) != opening->environment.end();
  };
  CHECK(has("SENDER=list@example.org"));
  CHECK(has("RECIPIENT=a b;`c`@d1.example"));
  CHECK(has("DOMAIN=d1.example"));
  CHECK(has("MESSAGE_ID=news-1"));
  CHECK(has("LANG=C"));
  CHECK(opening->head == "Return-Path: <list@example.org>\nDelivered-To: a b;`c`@d1.example\n");
}

TEST_CASE("an address never becomes an option of a program", "[kinds]") {
  const auto strict = program({"/bin/x", "{recipient}"});
  CHECK_FALSE(strict->opening(letter("-froot@d1.example")));
  CHECK(strict->outcome(letter("-froot@d1.example"), {}, {}).action == Action::failed);
  CHECK(program({"/bin/x", "--", "to={recipient}"})->opening(letter("-froot@d1.example")));
}

TEST_CASE("what is filled in is not looked at again", "[kinds]") {
  CHECK(fill_in("{local}|{domain}|{x", letter("{domain}@d1.example")) == "{domain}|d1.example|{x");
  CHECK(unknown_place("{local}{user}") == "{user}");
  CHECK(unknown_place("{sender}{recipient}{domain}").empty());
}

TEST_CASE("a message for a maildir is written in tmp and renamed to new", "[kinds]") {
  const auto delivery = made("maildir", {{"path", std::string("/var/mail/{domain}/{local}")}});
  CHECK(delivery->site() == "maildir:/var/mail/{domain}/{local}");
  const auto opening = delivery->opening(letter());
  REQUIRE(opening);
  CHECK(opening->kind == Opening::Kind::file);
  CHECK(opening->temporary ==
        "/var/mail/d1.example/ann/tmp/1700000000.M123000R0000000000001234.relay.example");
  CHECK(opening->place == "/var/mail/d1.example/ann/new/1700000000.M123000R0000000000001234.relay.example");
  CHECK(opening->folders == List{"/var/mail/d1.example", "/var/mail/d1.example/ann",
                                 "/var/mail/d1.example/ann/tmp", "/var/mail/d1.example/ann/new",
                                 "/var/mail/d1.example/ann/cur"});
  CHECK(delivery->outcome(letter(), {}, {}).action == Action::delivered);
  const auto full = delivery->outcome(letter(), {Ending::Kind::broken, 0, "No space left on device"}, {});
  CHECK(full.action == Action::delayed);
  CHECK(full.status == "4.2.0");
  const auto fixed = made("maildir", {{"path", std::string("/home/ann/Maildir")}})->opening(letter());
  CHECK(fixed->folders.front() == "/home/ann/Maildir");
}

TEST_CASE("a recipient leads to no other folder than his own", "[kinds]") {
  const auto delivery = made("maildir", {{"path", std::string("/var/mail/{domain}/{local}")}});
  for (const std::string address :
       {"..@d1.example", ".@d1.example", "../root@d1.example", "a/b@d1.example", ".hidden@d1.example",
        "/@d1.example", "\"../x\"@d1.example", "a\nb@d1.example", "@d1.example", "ann@..", "ann@a/b"}) {
    INFO(address);
    CHECK_FALSE(delivery->opening(letter(address)));
    const auto outcome = delivery->outcome(letter(address), {}, {});
    CHECK(outcome.action == Action::failed);
    CHECK(outcome.status == "5.1.1");
  }
  CHECK(delivery->opening(letter("a..b+c@d1.example")));
}

} // namespace bulkmail::transport::kinds::test
