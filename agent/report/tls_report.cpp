#include "agent/report/tls_report.h"

#include "spool/digest.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace bulkmail::agent {
namespace {

using nlohmann::ordered_json;
using namespace std::chrono_literals;

constexpr auto settling = 5min;    // after the day's end until all its sessions are surely counted
constexpr auto spread = 4h - 5min; // that reports to all the world are sent over (§4.1)

ordered_json json_of(const TlsFailure& failure, std::uint64_t count) {
  ordered_json detail{{"result-type", to_string(failure.result)}};
  const auto add = [&](const char* name, const std::string& value) {
    if (!value.empty()) detail[name] = value;
  };
  add("sending-mta-ip", failure.from);
  add("receiving-mx-hostname", failure.mx);
  add("receiving-ip", failure.to);
  detail["failed-session-count"] = count;
  add("failure-reason-code", failure.reason);
  return detail;
}

ordered_json json_of(const std::string& domain, const PublishedPolicy& policy, const TlsTally& tally) {
  ordered_json published{{"policy-type", to_string(policy.type)}};
  if (!policy.text.empty()) published["policy-string"] = policy.text;
  published["policy-domain"] = domain;
  if (!policy.mx.empty()) published["mx-host"] = policy.mx;
  ordered_json out{{"policy", std::move(published)},
                   {"summary",
                    {{"total-successful-session-count", tally.successes},
                     {"total-failure-session-count", tally.failures}}}};
  if (tally.details.empty()) return out;
  auto& details = out["failure-details"] = ordered_json::array();
  for (const auto& [failure, count] : tally.details) details.push_back(json_of(failure, count));
  return out;
}

} // namespace

std::string tls_report_date(Day day) {
  const std::chrono::year_month_day date(day);
  return fmt::format("{:04}-{:02}-{:02}", static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                     static_cast<unsigned>(date.day()));
}

Wall tls_report_due(Day day, std::string_view domain, std::string_view hostname) {
  std::uint64_t drawn = 0;
  const spool::Digest digest = spool::sha256(fmt::format("{} {} {}", hostname, domain, tls_report_date(day)));
  for (std::size_t i = 0; i < sizeof drawn; ++i) drawn = drawn << 8 | digest[i];
  const auto length = std::chrono::duration_cast<milliseconds>(spread).count();
  return day + std::chrono::days(1) + settling + milliseconds(drawn % static_cast<std::uint64_t>(length));
}

std::string tls_report_id(const TlsReport& report, const TlsReporting& by) {
  return fmt::format("{}.{}@{}", tls_report_date(report.day), report.domain, by.hostname);
}

std::string tls_report_file(const TlsReport& report, const TlsReporting& by) {
  const auto seconds = [](Day day) { return std::chrono::sys_seconds(day).time_since_epoch().count(); };
  return fmt::format("{}!{}!{}!{}.json", by.hostname, report.domain, seconds(report.day),
                     seconds(report.day + std::chrono::days(1)) - 1);
}

std::string tls_report_json(const TlsReport& report, const TlsReporting& by) {
  const std::string date = tls_report_date(report.day);
  ordered_json out{
      {"organization-name", by.organization},
      {"date-range", {{"start-datetime", date + "T00:00:00Z"}, {"end-datetime", date + "T23:59:59Z"}}},
      {"contact-info", by.contact},
      {"report-id", tls_report_id(report, by)},
      {"policies", ordered_json::array()}};
  for (const auto& [policy, tally] : report.policies)
    out["policies"].push_back(json_of(report.domain, policy, tally));
  return out.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

} // namespace bulkmail::agent
