// What a notice says to a person: why, and what to do about it.
#pragma once

#include "spool/bounce/bounce_class.h"
#include "spool/notice/notice.h"

#include <string>
#include <string_view>

namespace bulkmail::spool {

[[nodiscard]] std::string_view subject_of(NoticeKind kind);

// "There is no such mailbox. Look for a mistake in the address."; one sentence or two.
[[nodiscard]] std::string_view explanation(BounceClass why);

// The first part of the report: LF lines, UTF-8.
[[nodiscard]] std::string human_part(const Notice& notice, bool full, std::string_view hostname);

} // namespace bulkmail::spool
