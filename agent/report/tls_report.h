// A TLSRPT report (RFC 8460 §4.4, §5): what one domain is told about one day. Pure, and the same from the same, so that a
// report that a crash makes go out twice is known as one by its id.
#pragma once

#include "agent/report/tls_day.h"
#include "spool/time.h"

#include <string>
#include <string_view>

namespace bulkmail::agent {

// Who reports.
struct TlsReporting {
  std::string hostname;     // `Submitter`
  std::string from;         // whom reports by mail come from
  std::string contact;      // `contact-info`
  std::string organization; // `organization-name`
};

struct TlsReport {
  Day day;
  std::string domain;
  TlsPolicies policies;
};

// When it is due: some time in the four hours after the day's end (§4.1), which is the same whenever it is asked for. Not in
// the first minutes, in which the day's last sessions are still being counted.
[[nodiscard]] Wall tls_report_due(Day day, std::string_view domain, std::string_view hostname);

[[nodiscard]] std::string tls_report_date(Day day); // "2026-11-23"
[[nodiscard]] std::string tls_report_id(const TlsReport& report,
                                        const TlsReporting& by); // "2026-11-23.d1.example@relay.example"
// "relay.example!d1.example!1795392000!1795478399.json" (§5.1)
[[nodiscard]] std::string tls_report_file(const TlsReport& report, const TlsReporting& by);
[[nodiscard]] std::string tls_report_json(const TlsReport& report, const TlsReporting& by);

} // namespace bulkmail::agent
