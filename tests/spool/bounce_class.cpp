#include "spool/bounce/bounce_class.h"

#include "spool/bounce/codes.h"
#include "spool/bounce/phrases.h"
#include "spool/bounce/requested_delay.h"
#include "tests/read_text.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <map>
#include <set>
#include <string>

using namespace bulkmail;
using namespace bulkmail::spool;
using namespace std::chrono_literals;

namespace {

using enum BounceClass;

Outcome outcome_of(Action action, Source source, std::string status, std::string diagnostic) {
  Outcome outcome;
  outcome.action = action;
  outcome.source = source;
  outcome.status = std::move(status);
  outcome.diagnostic_code = std::move(diagnostic);
  return outcome;
}

Outcome delayed_by(const std::string& reply) {
  return outcome_of(Action::delayed, Source::remote, "4.0.0", "smtp; " + reply);
}

struct Said {
  BounceClass meaning;
  std::string reply;
};

// Replies in the manner of real ones, with names and addresses of our own.
const Said replies[] = {
    {mailbox_unknown, "550 5.1.1 No such user"},
    {mailbox_unknown,
     "550 5.1.1 The email account that you tried to reach / 5.1.1 does not exist. Please try "
     "double-checking the / 5.1.1 recipient's address ab12 - gsmtp"},
    {mailbox_unknown,
     "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient u@d1.example not found by SMTP address "
     "lookup"},
    {mailbox_unknown,
     "550 5.4.1 Recipient address rejected: Access denied. AS(201806281) [mx.protection.example]"},
    {mailbox_unknown,
     "550 5.1.1 <u@d1.example>: Recipient address rejected: User unknown in virtual mailbox table"},
    {mailbox_unknown,
     "554 delivery error: dd This user doesn't have a mx.example account (u@d1.example) [0]"},
    {mailbox_unknown, "550 Requested action not taken: mailbox unavailable"},
    {mailbox_unknown, "550 sorry, no mailbox here by that name. (#5.1.1)"},
    {mailbox_unknown,
     "450 4.1.1 <u@d1.example>: Recipient address rejected: unverified address: unknown user"},
    {policy, "554 5.7.1 <u@d1.example>: Recipient address rejected: Access denied"},
    {mailbox_full, "552 5.2.2 The email account that you tried to reach is over quota"},
    {mailbox_full, "452 4.2.2 The recipient's inbox is out of storage space and inactive"},
    {mailbox_full, "552 5.2.2 <u@d1.example>: Quota exceeded (mailbox for user is full)"},
    {mailbox_full, "422 mailbox full"},
    {mailbox_disabled, "550 5.2.1 The email account that you tried to reach is disabled"},
    {mailbox_disabled,
     "554 30 Sorry, your message to u@d1.example cannot be delivered. This mailbox is disabled "
     "(554.30)."},
    {domain_unknown, "550 5.1.2 Bad destination system address"},
    {domain_unknown, "550 Unrouteable address"},
    {bad_address, "553 5.1.3 that is no address"},
    {sender_refused, "550 5.1.8 <l@example.org>: Sender address rejected: Domain not found"},
    {sender_refused, "550 Sender verify failed"},
    {auth, "550 5.7.26 This mail has been blocked because the sender is unauthenticated. Gmail requires all "
           "senders "
           "to authenticate with either SPF or DKIM."},
    {auth, "550 5.7.509 Access denied, sending domain example.org does not pass DMARC verification"},
    {auth, "554 5.7.9 Message not accepted for policy reasons: DMARC"},
    {auth, "450 4.7.25 Client host rejected: cannot find your hostname, [192.0.2.7]"},
    {spam_block, "554 5.7.1 Service unavailable; Client host [192.0.2.7] blocked using zen.spamhaus.org"},
    {spam_block,
     "550 5.7.1 Unfortunately, messages from [192.0.2.7] weren't sent. part of their network is on our "
     "block list (S3140)."},
    {spam_block, "550 5.7.606 Access denied, banned sending IP [192.0.2.7]"},
    {spam_block,
     "554 mx.example (host) Nemesis ESMTP Service not available. No SMTP service. IP address is block "
     "listed."},
    {spam_block, "554 Blocked - see https://ipcheck.proofpoint.com/?ip=192.0.2.7"},
    {content, "550 5.7.1 Our system has detected that this message is likely unsolicited mail."},
    {content, "554 5.7.1 [CS01] Message rejected due to local policy."},
    {content, "554 5.7.1 Spam message rejected"},
    {content, "550 Virus found (Eicar-Test-Signature)"},
    {policy, "550 Administrative prohibition"},
    {policy, "550 5.7.1 refused"},
    {relaying, "554 5.7.1 <u@d1.example>: Relay access denied"},
    {relaying, "550 5.7.64 TenantAttribution; Relay Access Denied"},
    {relaying, "530 5.7.0 Authentication required"},
    {too_large, "552 5.3.4 Message size exceeds fixed limit"},
    {too_large, "552 Message too large"},
    {rate_limited,
     "421 4.7.28 Our system has detected an unusual rate of unsolicited mail originating from your IP "
     "address."},
    {rate_limited,
     "450 4.2.1 The user you are trying to contact is receiving mail at a rate that / 4.2.1 prevents "
     "additional messages"},
    {rate_limited,
     "421 4.7.0 [TSS04] Messages from 192.0.2.7 temporarily deferred due to unexpected volume or user "
     "complaints - 4.16.55.1"},
    {rate_limited, "421 4.7.0 mx.example Error: too many connections from 192.0.2.7"},
    {rate_limited, "451 4.7.500 Server busy. Your sending rate is too high"},
    {rate_limited, "452 4.5.3 enough"},
    {greylisted, "450 4.2.0 <u@d1.example>: Recipient address rejected: Greylisted, see "
                 "http://postgrey.example/help/d1.example.html"},
    {greylisted, "451 4.7.1 Greylisting in action, please come back in 00:04:59"},
    {greylisted, "451 4.7.1 Try again later (grey-listed)"},
    {system, "451 4.3.0 Temporary lookup failure"},
    {system, "421 4.3.2 busy"},
    {system, "452 4.3.1 Insufficient system storage"},
    {system, "554 5.4.6 Too many hops"},
    {tls, "530 5.7.0 Must issue a STARTTLS command first"},
    {protocol, "501 5.5.4 what?"},
    {protocol, "503 Bad sequence of commands"},
    {unclassified, "550 no"},
    {unclassified, "450 4.0.0 later"},
    {unclassified, "554 Transaction failed"},
};

} // namespace

TEST_CASE("Replies of many receivers mean what they say") {
  for (const Said& one : replies) {
    CAPTURE(one.reply);
    CHECK(to_string(classify_reply(one.reply)) == to_string(one.meaning));
  }
}

TEST_CASE("A local cause has its class whatever its text") {
  const auto of = [](Source source, std::string status, std::string text) {
    return to_string(
        bounce_class(outcome_of(Action::failed, source, std::move(status), "x-bulkmail; " + text)));
  };
  CHECK(of(Source::dns, "5.1.2", "no such domain") == "domain-unknown");
  CHECK(of(Source::dns, "5.1.10", "null MX") == "domain-unknown");
  CHECK(of(Source::dns, "4.4.3", "SERVFAIL") == "dns");
  CHECK(of(Source::network, "4.4.1", "connection refused") == "network");
  CHECK(of(Source::tls, "4.7.5", "certificate expired") == "tls");
  CHECK(of(Source::policy, "5.4.4", "loopback") == "dns");
  CHECK(of(Source::policy, "5.7.10", "no TLSA record fits") == "tls");
  CHECK(of(Source::policy, "5.3.2", "by a route") == "policy");
  CHECK(of(Source::local, "5.1.3", "not a valid address") == "bad-address");
  CHECK(of(Source::local, "5.3.4", "over its SIZE") == "too-large");
  CHECK(of(Source::local, "5.6.7", "no SMTPUTF8") == "protocol");
  CHECK(of(Source::local, "4.3.0", "disk") == "local");
  CHECK(of(Source::local, "5.3.0", "cancelled") == "cancelled");
  CHECK(of(Source::expired, "4.4.7", "mailbox full") == "expired");
  CHECK(bounce_class(outcome_of(Action::failed, Source::expired, "4.4.7", "smtp; 452 4.2.2 full")) ==
        expired);
}

TEST_CASE("What is well has no bounce class") {
  for (const Action action : {Action::queued, Action::relayed, Action::delivered})
    CHECK(bounce_class(outcome_of(action, Source::remote, "2.0.0", "smtp; 250 quota? fine")) == none);
  CHECK(to_string(none).empty());
}

TEST_CASE("Addresses in a reply say nothing about its cause") {
  CHECK(classify_reply("550 5.1.1 <spamhaus@greylisting.example>: no such user") == mailbox_unknown);
  CHECK(classify_reply("550 <virus.quota@d1.example> no") == unclassified);
  CHECK(classify_reply("550 marble") == unclassified); // no "rbl"
}

TEST_CASE("Any bytes are classified, and none but a known class comes out") {
  for (const char* reply : {"", " ", "5", "55", "550", "550 ", "550 5", "550 5.", "550 5.1", "550 5.1.",
                            "999 9.9.9 ", "/ / /", "550 5.1.1", "\xff\xfe", "abc"})
    CHECK(static_cast<int>(classify_reply(reply)) <= static_cast<int>(last_bounce_class));
  CHECK(classify_reply("550 5.1.1") == mailbox_unknown);
}

TEST_CASE("Each phrase fits itself, and none hides behind an earlier one") {
  for (const Phrase& one : known_phrases()) {
    std::string said(one.words);
    std::replace(said.begin(), said.end(), '*', ' ');
    CAPTURE(said);
    const auto found = class_by_words(said);
    REQUIRE(found);
    CHECK(to_string(*found) == to_string(one.meaning));
    CHECK(std::ranges::none_of(one.words, [](char c) { return c >= 'A' && c <= 'Z'; }));
  }
}

TEST_CASE("Only push-back against our rate or their load means slower") {
  CHECK(means_slower(delayed_by("421 4.7.0 too many connections")));
  CHECK(means_slower(delayed_by("450 4.7.1 rate limit exceeded")));
  CHECK(means_slower(delayed_by("451 4.3.2 system overloaded")));
  CHECK(means_slower(delayed_by("421 goodbye")));
  CHECK(means_slower(delayed_by("450 later")));
  CHECK(means_slower(delayed_by("421 4.2.2 mailbox full"))); // 421 ends the session, whatever it says
  CHECK_FALSE(means_slower(delayed_by("450 4.2.0 greylisted")));
  CHECK_FALSE(means_slower(delayed_by("452 4.2.2 mailbox full")));
  CHECK_FALSE(means_slower(delayed_by("450 4.1.1 unknown user")));
  CHECK_FALSE(means_slower(delayed_by("451 4.7.24 SPF temperror")));
  CHECK_FALSE(means_slower(outcome_of(Action::failed, Source::remote, "5.7.1", "smtp; 550 rate limit")));
  CHECK_FALSE(means_slower(outcome_of(Action::delayed, Source::network, "4.4.1", "x-bulkmail; timeout")));
}

TEST_CASE("The wait that a reply names is read in all its spellings") {
  const std::pair<std::string, std::optional<milliseconds>> texts[] = {
      {"451 4.7.1 Greylisted, try again in 300 seconds", 300s},
      {"450 Greylisted for 5 minutes", 5min},
      {"450 Greylisted for 5 min.", 5min},
      {"451 please retry in 300s", 300s},
      {"451 come back in 00:04:59", 4min + 59s},
      {"451 come back in 04:59", 4min + 59s},
      {"451 come back in 1:00:00", 1h},
      {"451 wait 1 hour and 30 minutes", 90min},
      {"451 wait 1 hour, 30 minutes, 5 seconds", 90min + 5s},
      {"451 wait 2h30m", 150min},
      {"451 a 10-minute wait", 10min},
      {"451 host 192.0.2.7 seconds it: 60 secs", 60s},
      {"451 4.7.1 v1.2 m3 later", std::nullopt},
      {"451 in a few minutes", std::nullopt},
      {"451 4 messages", std::nullopt},
      {"451 wait 0 seconds", std::nullopt},
      {"451 wait 25 hours", std::nullopt},
      {"451 wait 99999999999999999999999 seconds", std::nullopt},
      {"451 wait 5", std::nullopt},
      {"451 2026-11-24T08:00:54 s", std::nullopt},
      {"", std::nullopt},
  };
  for (const auto& [text, wait] : texts) {
    CAPTURE(text);
    CHECK(named_delay(text) == wait);
  }
}

TEST_CASE("Only a reply that means not yet is taken at its word about the time") {
  CHECK(requested_delay(delayed_by("451 greylisted, 10 minutes")) == 10min);
  CHECK(requested_delay(delayed_by("451 rate limit, 10 minutes")) == 10min);
  CHECK_FALSE(requested_delay(delayed_by("451 4.2.2 mailbox full since 10 minutes")));
  CHECK_FALSE(
      requested_delay(outcome_of(Action::failed, Source::remote, "", "smtp; 550 greylisted 10 minutes")));
}

TEST_CASE("The page of bounce classes tells what the code does") {
  const std::string page = test::read_text(TEST_SOURCE_DIR "/../../docs/bounce-classes.md");
  std::map<std::string, std::set<std::string>> told; // by class, its codes
  std::istringstream lines(page);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("| `")) continue;
    const std::string name = line.substr(3, line.find('`', 3) - 3);
    auto& codes = told[name];
    std::istringstream cell(line.substr(line.rfind('|', line.size() - 2) + 1));
    for (std::string code; cell >> code;)
      if (code.starts_with("X.")) codes.insert(code.substr(2));
  }
  std::map<std::string, std::set<std::string>> true_ones;
  for (int each = 1; each <= static_cast<int>(last_bounce_class); ++each)
    true_ones[std::string(to_string(static_cast<BounceClass>(each)))];
  for (const CodeMeaning& one : known_codes())
    true_ones[std::string(to_string(one.meaning))].emplace(one.subject_detail);
  CHECK(told == true_ones);
}
