// A TLSRPT report as mail (RFC 8460 §5.3): a drop for the spool's own new/. Pure, and the same from the same.
#pragma once

#include "agent/report/tls_report.h"

#include <string>
#include <vector>

namespace bulkmail::agent {

// BSMTP: one mail to all of them, with the report attached.
[[nodiscard]] std::string tls_report_mail(const TlsReport& report, const TlsReporting& by,
                                          const std::vector<std::string>& recipients);
// The name of that drop: a second one of it is no second mail while the first is known.
[[nodiscard]] std::string tls_report_drop(const TlsReport& report);

} // namespace bulkmail::agent
