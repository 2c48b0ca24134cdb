// What a domain is told about the TLS of its mail hosts: the counts, the record of a day, the report and its mail.
#include "agent/report/gzip.h"
#include "agent/report/tls_day.h"
#include "agent/report/tls_record.h"
#include "agent/report/tls_report.h"
#include "agent/report/tls_report_mail.h"

#include <catch2/catch.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <set>
#include <string>

using namespace bulkmail;
using namespace bulkmail::agent;
using namespace std::chrono_literals;
using nlohmann::json;

namespace {

using Type = PublishedPolicy::Type;

constexpr Day day{std::chrono::year(2026) / 11 / 23};
const PublishedPolicy none{};
const PublishedPolicy sts{
    Type::sts, {"version: STSv1", "mode: enforce", "mx: *.d1.example"}, {"*.d1.example"}};
const TlsFailure expired{TlsResult::certificate_expired, "mx1.d1.example", "192.0.2.7", "198.51.100.1",
                         "certificate has expired"};
const TlsReporting relay{"relay.example", "tls-reports@relay.example", "mailto:post@relay.example",
                         "Relay & Co"};

TlsDay three_sessions() {
  TlsDay counts;
  counts.count("d1.example", sts);
  counts.count("d1.example", sts, expired);
  counts.count("d1.example", sts, expired);
  return counts;
}

TlsReport report() { return {day, "d1.example", *three_sessions().find("d1.example")}; }

} // namespace

TEST_CASE("sessions that went alike are one count") {
  TlsDay counts = three_sessions();
  counts.count("d1.example", none);
  counts.count("d2.example", none,
               TlsFailure{TlsResult::starttls_not_supported, "mx.d2.example", "", "", ""});
  const TlsPolicies& policies = *counts.find("d1.example");
  CHECK(policies.size() == 2);
  CHECK(policies.at(sts).successes == 1);
  CHECK(policies.at(sts).failures == 2);
  CHECK(policies.at(sts).details == std::map<TlsFailure, std::uint64_t>{{expired, 2}});
  CHECK(policies.at(none).successes == 1);
  CHECK(policies.at(none).failures == 0);
  CHECK(counts.find("d2.example")->at(none).failures == 1);
  CHECK(counts.find("d3.example") == nullptr);
}

TEST_CASE("counts of several workers add up, each to its day") {
  TlsDays all{{day, three_sessions()}};
  add(all, {{day, three_sessions()}, {day + std::chrono::days(1), three_sessions()}});
  CHECK(all.at(day).find("d1.example")->at(sts).failures == 4);
  CHECK(all.at(day).find("d1.example")->at(sts).details.at(expired) == 4);
  CHECK(all.at(day + std::chrono::days(1)).find("d1.example")->at(sts).failures == 2);
}

TEST_CASE("however many domains, policies and ways to fail there are, a day stays bounded and loses no sum "
          "of a policy") {
  TlsDay counts;
  for (std::size_t i = 0; i < TlsDay::most_domains + 10; ++i)
    counts.count(fmt::format("d{}.example", i), none);
  CHECK(counts.domains().size() == TlsDay::most_domains);
  for (std::size_t i = 0; i < TlsDay::most_details + 50; ++i)
    counts.count("d1.example", none,
                 TlsFailure{TlsResult::validation_failure, "mx", "", "", fmt::format("{}", i)});
  const TlsTally& tally = counts.find("d1.example")->at(none);
  CHECK(tally.details.size() == TlsDay::most_details);
  CHECK(tally.failures == TlsDay::most_details + 50);
  for (int i = 0; i < 100; ++i)
    counts.count("d1.example", {Type::tlsa, {fmt::format("3 1 1 {:02x}", i)}, {}});
  CHECK(counts.find("d1.example")->size() == TlsDay::most_policies);
  counts.count("d2.example", none,
               TlsFailure{TlsResult::validation_failure, "", "", "", std::string(5000, 'x')});
  CHECK(counts.find("d2.example")->at(none).details.begin()->first.reason.size() == TlsDay::longest_reason);
}

TEST_CASE("a day's record is read as it was written") {
  const TlsRecord record{three_sessions(), {{"d1.example", {"https://d1.example/tls"}}}};
  CHECK(read_tls_record(write_tls_record(record)) == record);
  CHECK(read_tls_record(write_tls_record({})) == TlsRecord{});
}

TEST_CASE("what is no record of a day is told from one") {
  CHECK(read_tls_record("") == std::nullopt);
  CHECK(read_tls_record("{}") == std::nullopt);
  CHECK(read_tls_record(R"({"domains":{"d1.example":[{"type":"sts"}]},"sent":{}})") == std::nullopt);
  CHECK(read_tls_record(R"({"domains":{"d1.example":3},"sent":{}})") == std::nullopt);
  CHECK(read_tls_record(R"({"domains":{},"sent":[1]})") == std::nullopt);
}

TEST_CASE("a record's file has its day in its name") {
  CHECK(tls_record_file(day) == "state/tls-2026-11-23.json");
  CHECK(tls_record_day("tls-2026-11-23.json") == day);
  for (const char* other : {"tls-2026-11-31.json", "tls-2026-11-23.json.new", "tls-2026-1-23.json", "warmup",
                            "tls-.json", "tls-20x6-11-23.json"})
    CHECK(tls_record_day(other) == std::nullopt);
}

TEST_CASE("a report says what RFC 8460 section 4.4 asks for") {
  const json written = json::parse(tls_report_json(report(), relay));
  CHECK(written == json::parse(R"({
    "organization-name": "Relay & Co",
    "date-range": {"start-datetime": "2026-11-23T00:00:00Z", "end-datetime": "2026-11-23T23:59:59Z"},
    "contact-info": "mailto:post@relay.example",
    "report-id": "2026-11-23.d1.example@relay.example",
    "policies": [{
      "policy": {"policy-type": "sts", "policy-string": ["version: STSv1", "mode: enforce", "mx: *.d1.example"],
                 "policy-domain": "d1.example", "mx-host": ["*.d1.example"]},
      "summary": {"total-successful-session-count": 1, "total-failure-session-count": 2},
      "failure-details": [{"result-type": "certificate-expired", "sending-mta-ip": "198.51.100.1",
                           "receiving-mx-hostname": "mx1.d1.example", "receiving-ip": "192.0.2.7",
                           "failed-session-count": 2, "failure-reason-code": "certificate has expired"}]}]})"));
}

TEST_CASE("what is not known is left out of a report") {
  TlsDay counts;
  counts.count("d1.example", none);
  const json written = json::parse(tls_report_json({day, "d1.example", *counts.find("d1.example")}, relay));
  CHECK(written["policies"] ==
        json::parse(R"([{"policy": {"policy-type": "no-policy-found", "policy-domain": "d1.example"},
          "summary": {"total-successful-session-count": 1, "total-failure-session-count": 0}}])"));
}

TEST_CASE("words of a peer that are no text don't spoil a report") {
  TlsDay counts;
  counts.count("d1.example", none, TlsFailure{TlsResult::validation_failure, "mx", "", "", "\xff\"\n"});
  CHECK(json::accept(tls_report_json({day, "d1.example", *counts.find("d1.example")}, relay)));
  CHECK(read_tls_record(write_tls_record({counts, {}})).has_value());
}

TEST_CASE("reports are due in the four hours after their day, each domain's at a time of its own") {
  const Wall end = day + std::chrono::days(1);
  std::set<Wall> times;
  for (int i = 0; i < 1000; ++i) {
    const std::string domain = fmt::format("d{}.example", i);
    const Wall due = tls_report_due(day, domain, "relay.example");
    CHECK(due == tls_report_due(day, domain, "relay.example"));
    REQUIRE(due >= end + 5min);
    REQUIRE(due < end + 4h);
    times.insert(due);
  }
  CHECK(times.size() > 990);
  CHECK(*times.begin() < end + 30min);
  CHECK(*times.rbegin() > end + 3h + 30min);
}

TEST_CASE("a report by mail has the fields and the attachment of RFC 8460 section 5.3") {
  const std::string mail = tls_report_mail(report(), relay, {"tls@d1.example", "other@d2.example"});
  CHECK(mail.starts_with(
      "MAIL FROM:<tls-reports@relay.example> BODY=7BIT\r\n"
      "RCPT TO:<tls@d1.example> NOTIFY=NEVER\r\nRCPT TO:<other@d2.example> NOTIFY=NEVER\r\nDATA\r\n"
      "From: <tls-reports@relay.example>\r\nTo: <tls@d1.example>,\r\n <other@d2.example>\r\n"));
  for (const char* line :
       {"Subject: Report Domain: d1.example\r\n Submitter: relay.example\r\n"
        " Report-ID: <2026-11-23.d1.example@relay.example>\r\n",
        "\r\nTLS-Report-Domain: d1.example\r\n", "\r\nTLS-Report-Submitter: relay.example\r\n",
        "\r\nTLS-Required: No\r\n", "multipart/report; report-type=\"tlsrpt\";\r\n",
        "\r\nContent-Type: application/tlsrpt+gzip\r\n",
        "filename=\"relay.example!d1.example!1795392000!1795478399.json.gz\"\r\n"}) {
    INFO(line);
    CHECK(mail.find(line) != std::string::npos);
  }
  CHECK(mail.ends_with("--\r\n.\r\n"));
  CHECK(mail == tls_report_mail(report(), relay, {"tls@d1.example", "other@d2.example"}));
}

TEST_CASE("the drop of a report is named after its domain and day, however long the domain") {
  TlsReport one = report();
  CHECK(tls_report_drop(one) == "tlsrpt.d1.example.2026-11-23");
  one.domain = std::string(60, 'a') + "." + std::string(60, 'b') + "." + std::string(60, 'c') + "." +
               std::string(60, 'd');
  CHECK(tls_report_drop(one).size() < 100);
  TlsReport other = one;
  other.domain.back() = 'e';
  CHECK(tls_report_drop(one) != tls_report_drop(other));
}
