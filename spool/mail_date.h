// Dates as message headers have them (RFC 5322 §3.3).
#pragma once

#include "spool/time.h"

#include <string>

namespace bulkmail::spool {

[[nodiscard]] std::string mail_date(Wall when); // "Tue, 24 Nov 2026 08:00:54 +0000"

} // namespace bulkmail::spool
