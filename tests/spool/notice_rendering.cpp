#include "spool/drop/format.h"
#include "spool/layout.h"
#include "spool/notice/drop.h"
#include "spool/notice/notice.h"
#include "spool/notice/policy.h"
#include "spool/notice/words.h"
#include "tests/simulation/memory_disk.h"

#include <catch2/catch.hpp>

#include <functional>
#include <sstream>

using namespace bulkmail;
using namespace bulkmail::spool;
using namespace std::chrono_literals;
using simulation::MemoryDisk;
using Dsn = LedgerConfig::Dsn;

namespace {

const Wall arrival(std::chrono::sys_days(std::chrono::year(2026) / 11 / 23) + 20h + 50min);
const Wall noticed = arrival + 2min;

Notify asking(bool success, bool failure, bool delay) {
  Notify notify;
  notify.given = true;
  notify.success = success;
  notify.failure = failure;
  notify.delay = delay;
  return notify;
}

MessageFacts message_from(const std::string& sender, const std::function<void(EnvelopeBuilder&)>& more) {
  EnvelopeBuilder builder;
  builder.sender(sender);
  more(builder);
  MessageFacts facts;
  facts.number = 71;
  facts.id = "news-0001";
  facts.digest.fill(0xab);
  facts.message_id = "<x@y>";
  facts.arrival_date = arrival;
  facts.content.length = 200;
  facts.envelope = builder.take();
  return facts;
}

std::shared_ptr<const Outcome> refused() {
  Outcome outcome;
  outcome.action = Action::failed;
  outcome.source = Source::remote;
  outcome.status = "5.1.1";
  outcome.diagnostic_code = "smtp; 550 5.1.1 No such user";
  outcome.remote_mta = "mx1.d1.example";
  outcome.remote_address = "192.0.2.7";
  outcome.remote_port = 25;
  outcome.last_attempt_date = arrival + 1min;
  return std::make_shared<const Outcome>(outcome);
}

std::shared_ptr<const Outcome> with(Action action, Source source, std::string status, std::string text) {
  Outcome outcome;
  outcome.action = action;
  outcome.source = source;
  outcome.status = std::move(status);
  outcome.diagnostic_code = std::move(text);
  return std::make_shared<const Outcome>(outcome);
}

Notice notice_of(MessageFacts facts, NoticeKind kind, std::vector<std::shared_ptr<const Outcome>> outcomes) {
  Notice notice{std::make_shared<const MessageFacts>(std::move(facts)), kind, 2, noticed, {}};
  for (auto& outcome : outcomes)
    notice.recipients.push_back({static_cast<std::uint32_t>(notice.recipients.size()), std::move(outcome)});
  return notice;
}

std::string without_cr(std::string text) {
  std::erase(text, '\r');
  return text;
}

const Returned header{"Subject: hello\r\nMessage-ID: <x@y>\r\n", false};

std::string rendered(const Notice& notice, const Returned& returned = header) {
  return without_cr(render_notice(notice, returned, "relay.example"));
}

} // namespace

TEST_CASE("A notice of failure, as it goes out") {
  auto facts = message_from("list-bounces@example.org", [](EnvelopeBuilder& builder) {
    builder.envelope.envid = "QQ+2B314159";
    builder.recipient("ann@d1.example", asking(false, true, false), "rfc822;Ann+2Bnews@old.example");
    builder.recipient("bob@d2.example");
  });
  const auto notice =
      notice_of(std::move(facts), NoticeKind::failure,
                {refused(), with(Action::failed, Source::dns, "5.1.2", "x-bulkmail; no such domain")});
  CHECK(rendered(notice) == R"(MAIL FROM:<> BODY=7BIT
RCPT TO:<list-bounces@example.org> NOTIFY=NEVER
DATA
From: Mail Delivery System <MAILER-DAEMON@relay.example>
To: <list-bounces@example.org>
Subject: Your mail could not be delivered
Date: Mon, 23 Nov 2026 20:52:00 +0000
Message-ID: <notice.71-2.abababababababab@relay.example>
In-Reply-To: <x@y>
References: <x@y>
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status;
 boundary="=abababababababababababababababababababab.2"
Content-Transfer-Encoding: 7bit

This is a report in MIME format (RFC 3464).

--=abababababababababababababababababababab.2
Content-Type: text/plain; charset=utf-8
Content-Description: What happened
Content-Transfer-Encoding: 7bit

This is the mail system at relay.example.

Your message could not be delivered to the addresses below. It will not be tried again
for them.

  <ann@d1.example>
    There is no such mailbox. Look for a mistake in the address.
    mx1.d1.example [192.0.2.7] said: 550 5.1.1 No such user

  <bob@d2.example>
    What stands behind the @ does not exist or takes no mail. Look for a
    mistake in it.
    no such domain

The header of your message is attached.

--=abababababababababababababababababababab.2
Content-Type: message/delivery-status
Content-Description: What happened, for programs
Content-Transfer-Encoding: 7bit

Reporting-MTA: dns; relay.example
Original-Envelope-Id: QQ+314159
Arrival-Date: Mon, 23 Nov 2026 20:50:00 +0000

Original-Recipient: rfc822; Ann+news@old.example
Final-Recipient: rfc822; ann@d1.example
Action: failed
Status: 5.1.1
Remote-MTA: dns; mx1.d1.example
Diagnostic-Code: smtp; 550 5.1.1 No such user
Last-Attempt-Date: Mon, 23 Nov 2026 20:51:00 +0000
X-Bulkmail-Bounce-Class: mailbox-unknown

Final-Recipient: rfc822; bob@d2.example
Action: failed
Status: 5.1.2
Diagnostic-Code: x-bulkmail; no such domain
X-Bulkmail-Bounce-Class: domain-unknown

--=abababababababababababababababababababab.2
Content-Type: text/rfc822-headers
Content-Description: The header of the message
Content-Transfer-Encoding: 7bit

Subject: hello
Message-ID: <x@y>

--=abababababababababababababababababababab.2--
.
)");
}

TEST_CASE("The same notice has the same name and bytes, and is a drop that the claim takes") {
  const auto make = [] {
    return notice_of(
        message_from("l@example.org", [](EnvelopeBuilder& builder) { builder.recipient("a@d1.example"); }),
        NoticeKind::failure, {refused()});
  };
  const std::string drop = render_notice(make(), header, "relay.example");
  CHECK(render_notice(make(), header, "relay.example") == drop);
  CHECK(notice_id(71, 2) == "notice.71-2");
  const auto parsed = parse_drop(drop);
  REQUIRE(parsed);
  CHECK(parsed->envelope.sender().empty());
  REQUIRE(parsed->envelope.size() == 1);
  CHECK(parsed->envelope.recipient(0).address == "l@example.org");
  CHECK(parsed->envelope.recipient(0).notify.never);
}

TEST_CASE("Delays say until when it is tried, successes what became of it") {
  auto facts =
      message_from("l@example.org", [](EnvelopeBuilder& builder) { builder.recipient("a@d1.example"); });
  Outcome outcome = *with(Action::delayed, Source::network, "4.4.1", "x-bulkmail; no answer");
  outcome.will_retry_until = arrival + 120h;
  const std::string delay =
      rendered(notice_of(facts, NoticeKind::delay, {std::make_shared<const Outcome>(outcome)}));
  CHECK(delay.find("Action: delayed\nStatus: 4.4.1\n") != delay.npos);
  CHECK(delay.find("Will-Retry-Until: Sat, 28 Nov 2026 20:50:00 +0000\n") != delay.npos);
  CHECK(delay.find("It will be tried until Sat, 28 Nov 2026 20:50:00 +0000.") != delay.npos);
  CHECK(delay.find("Subject: Your mail is delayed, and still being tried\n") != delay.npos);
  const std::string success = rendered(notice_of(
      facts, NoticeKind::success, {with(Action::relayed, Source::remote, "2.0.0", "smtp; 250 2.0.0 Ok")}));
  CHECK(success.find("Action: relayed\nStatus: 2.0.0\n") != success.npos);
  CHECK(success.find("X-Bulkmail-Bounce-Class") == success.npos);
}

TEST_CASE("Nothing that a peer or a writer says breaks out of its field") {
  auto facts = message_from("l@example.org", [](EnvelopeBuilder& builder) {
    builder.envelope.envid = "a+0D+0AX-Evil: yes";
    builder.recipient("a\nX-Evil: yes@d1.example", {}, "rfc822;u+0D+0AX-Evil:+20yes@d1.example");
  });
  facts.message_id = "<a\r\nX-Evil: yes@y>";
  const std::string text = rendered(notice_of(
      std::move(facts), NoticeKind::failure,
      {with(Action::failed, Source::remote, "5.0.0", "smtp; 550 \x1b[2J\r\nX-Evil: yes\r\n.\r\n")}));
  CHECK(text.find("\nX-Evil") == text.npos);
  CHECK(text.find('\x1b') == text.npos);
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) CHECK(line.size() < 998);
}

TEST_CASE("A long answer is folded, so that no line of the report is too long") {
  auto facts =
      message_from("l@example.org", [](EnvelopeBuilder& builder) { builder.recipient("a@d1.example"); });
  std::string answer = "smtp; 550";
  for (int word = 0; word < 150; ++word) answer += " reason";
  const std::string text = rendered(notice_of(std::move(facts), NoticeKind::failure,
                                              {with(Action::failed, Source::remote, "5.0.0", answer)}));
  std::istringstream lines(text);
  std::size_t longest = 0;
  for (std::string line; std::getline(lines, line);) longest = std::max(longest, line.size());
  CHECK(longest <= 90);
}

TEST_CASE(
    "An address that is not ASCII stands in ASCII where the sender's is, and as it is where that is not") {
  const auto to = [](EnvelopeBuilder& builder) { builder.recipient("b\u00f6b@d2.example"); };
  const auto failed = with(Action::failed, Source::local, "5.6.7", "x-bulkmail; no SMTPUTF8");
  const std::string plain =
      rendered(notice_of(message_from("l@example.org", to), NoticeKind::failure, {failed}));
  CHECK(plain.find("Final-Recipient: utf-8; b\\x{F6}b@d2.example\n") != plain.npos);
  CHECK(plain.find("Content-Type: message/delivery-status\n") != plain.npos);
  CHECK(plain.find("MAIL FROM:<> BODY=8BITMIME\n") == 0); // the part for people has it as it is
  const std::string global =
      rendered(notice_of(message_from("l\u00fcst@example.org", to), NoticeKind::failure, {failed}));
  CHECK(global.find("MAIL FROM:<> BODY=8BITMIME SMTPUTF8\n") == 0);
  CHECK(global.find("Final-Recipient: utf-8; b\u00f6b@d2.example\n") != global.npos);
  CHECK(global.find("report-type=global-delivery-status") != global.npos);
  CHECK(global.find("Content-Type: message/global-headers\n") != global.npos);
}

TEST_CASE("Lines of a returned message that begin with a dot are safe") {
  auto facts =
      message_from("l@example.org", [](EnvelopeBuilder& builder) { builder.recipient("a@d1.example"); });
  const auto notice = notice_of(std::move(facts), NoticeKind::failure, {refused()});
  const Returned full{"Subject: x\r\n\r\n.\r\n..\r\n", true};
  const std::string drop = render_notice(notice, full, "relay.example");
  const auto parsed = parse_drop(drop);
  REQUIRE(parsed);
  CHECK(drop.find("\r\n..\r\n...\r\n") != drop.npos);
  CHECK(drop.find("Content-Type: message/rfc822\r\n") != drop.npos);
}

TEST_CASE("The whole message goes back where it was asked for and is not too large, else its header") {
  const auto returns = [](Ret ret, std::uint64_t length, NoticeKind kind) {
    auto facts =
        message_from("l@example.org", [](EnvelopeBuilder& builder) { builder.recipient("a@d1.example"); });
    facts.envelope.ret = ret;
    facts.content.length = length;
    return returns_all(facts, kind);
  };
  CHECK(returns(Ret::full, max_full_return, NoticeKind::failure));
  CHECK_FALSE(returns(Ret::full, max_full_return + 1, NoticeKind::failure));
  CHECK_FALSE(returns(Ret::full, 1, NoticeKind::success));
  CHECK_FALSE(returns(Ret::full, 1, NoticeKind::delay));
  CHECK_FALSE(returns(Ret::headers, 1, NoticeKind::failure));
  CHECK(returns(Ret::unspecified, max_unasked_return, NoticeKind::failure));
  CHECK_FALSE(returns(Ret::unspecified, max_unasked_return + 1, NoticeKind::failure));
}

TEST_CASE("What goes back is read out of the drop, whatever its line ends and dots") {
  MemoryDisk disk;
  REQUIRE(make_spool_layout(disk));
  const std::string drop = "MAIL FROM:<l@example.org> RET=HDRS\r\nRCPT TO:<a@d1.example>\r\nDATA\r\n..dot: "
                           "x\r\nSubject: y\r\n\r\nbody\r\n.\r\n";
  disk.put("cur/m", drop);
  const auto parsed = parse_drop(drop);
  REQUIRE(parsed);
  MessageFacts facts;
  facts.id = "m";
  facts.content = parsed->content;
  facts.envelope = parsed->envelope;
  const auto head = read_returned(disk, facts, NoticeKind::failure);
  REQUIRE(head);
  CHECK(head->text == ".dot: x\r\nSubject: y\r\n");
  facts.envelope.ret = Ret::full;
  const auto full = read_returned(disk, facts, NoticeKind::failure);
  REQUIRE(full);
  CHECK(full->text == ".dot: x\r\nSubject: y\r\n\r\nbody\r\n");

  const std::string bare =
      "l@example.org\na@d1.example\n\n.dot: x\nSubject: y\n\n" + std::string(200'000, 'x') + "\n";
  disk.put("cur/n", bare);
  facts.id = "n";
  facts.content = parse_drop(bare)->content;
  const auto cut = read_returned(disk, facts, NoticeKind::delay);
  REQUIRE(cut);
  CHECK(cut->text == ".dot: x\r\nSubject: y\r\n");
}

TEST_CASE("A notice dropped twice is there once, and a leftover of a crash is no obstacle") {
  MemoryDisk disk;
  REQUIRE(make_spool_layout(disk));
  disk.put("tmp/notice.71-2", "half");
  const auto notice = notice_of(
      message_from("l@example.org", [](EnvelopeBuilder& builder) { builder.recipient("a@d1.example"); }),
      NoticeKind::failure, {refused()});
  const auto drop = [&] {
    REQUIRE(compose_notice(disk, notice, "relay.example")); // its message's file is gone: no obstacle either
    REQUIRE(publish_notice(disk, notice));
  };
  drop();
  const auto bytes = disk.contents("new/notice.71-2");
  REQUIRE(bytes);
  REQUIRE(parse_drop(*bytes));
  drop();
  CHECK(disk.contents("new/notice.71-2") == bytes);
  CHECK(disk.list("tmp")->empty());
}

TEST_CASE("Who is told of what") {
  const auto told = [](Dsn dsn, bool asked_by_envelope, const Notify& notify, Action action,
                       Wall when = arrival, bool taken_over = false,
                       const std::string& sender = "l@example.org") {
    auto facts = message_from(sender, [&](EnvelopeBuilder& builder) {
      builder.envelope.notices = asked_by_envelope;
      builder.recipient("a@d1.example", notify);
    });
    Outcome outcome;
    outcome.action = action;
    outcome.dsn_taken_over = taken_over;
    return notice_for(facts, notify, outcome, when, dsn);
  };
  const Notify nothing, success = asking(true, false, false), failure = asking(false, true, false),
                        delay = asking(false, false, true);
  Notify never;
  never.given = never.never = true;

  SECTION("without NOTIFY: failures, of what the envelope or the administrator says") {
    CHECK(told(Dsn::automatic, true, nothing, Action::failed) == NoticeKind::failure);
    CHECK_FALSE(told(Dsn::automatic, false, nothing, Action::failed));
    CHECK(told(Dsn::on, false, nothing, Action::failed) == NoticeKind::failure);
    CHECK_FALSE(told(Dsn::off, true, nothing, Action::failed));
    for (const Action action : {Action::relayed, Action::delivered, Action::delayed, Action::queued})
      CHECK_FALSE(told(Dsn::on, true, nothing, action, arrival + 100h));
  }
  SECTION("with NOTIFY: what it asks for") {
    CHECK(told(Dsn::automatic, false, failure, Action::failed) == NoticeKind::failure);
    CHECK_FALSE(told(Dsn::on, true, success, Action::failed));
    CHECK_FALSE(told(Dsn::on, true, delay, Action::failed));
    CHECK_FALSE(told(Dsn::on, true, never, Action::failed));
    CHECK(told(Dsn::automatic, false, success, Action::relayed) == NoticeKind::success);
    CHECK(told(Dsn::automatic, false, success, Action::delivered) == NoticeKind::success);
    CHECK_FALSE(told(Dsn::on, true, failure, Action::relayed));
    CHECK_FALSE(told(Dsn::off, true, failure, Action::failed));
  }
  SECTION("not of a success that the next host tells of itself") {
    CHECK_FALSE(told(Dsn::on, true, success, Action::relayed, arrival, true));
  }
  SECTION("of a delay once it lasts") {
    CHECK_FALSE(told(Dsn::on, true, delay, Action::delayed, arrival + delay_worth_telling - 1ms));
    CHECK(told(Dsn::automatic, false, delay, Action::delayed, arrival + delay_worth_telling) ==
          NoticeKind::delay);
  }
  SECTION("never a null sender") {
    for (const Notify& notify : {nothing, failure, success, delay})
      for (const Action action : {Action::failed, Action::relayed, Action::delivered, Action::delayed})
        CHECK_FALSE(told(Dsn::on, true, notify, action, arrival + 100h, false, ""));
  }
}

TEST_CASE("Each class of failure is explained to a person") {
  for (int each = 1; each <= static_cast<int>(last_bounce_class); ++each) {
    const auto text = explanation(static_cast<BounceClass>(each));
    CHECK(text.size() > 20);
    CHECK(text.ends_with('.'));
  }
}
