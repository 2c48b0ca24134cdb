// A notice to a message's sender of what became of some recipients: a delivery status notification, multipart/report
// (RFC 3464, 3461, 6522; RFC 6533 where addresses are not ASCII), as a drop for the spool's own new/.
//
// Pure, and the same from the same: name and bytes depend on nothing but what is passed in, so that a notice written again
// after a crash is known as the same one.
#pragma once

#include "spool/message_facts.h"
#include "spool/notice/policy.h"
#include "spool/notice/returned.h"
#include "spool/shared_outcome.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace bulkmail::spool {

struct NoticeRecipient {
  std::uint32_t index = 0;
  SharedOutcome outcome;
};

struct Notice {
  std::shared_ptr<const MessageFacts> facts;
  NoticeKind kind = NoticeKind::failure;
  std::uint32_t serial = 0; // of this message's notices, from 1
  Wall time;
  std::vector<NoticeRecipient> recipients;
};

// What one notice may tell of: a post of which thousands fail makes some notices of bearable size.
inline constexpr std::size_t recipients_per_notice = 1'000;

[[nodiscard]] std::string notice_id(std::uint64_t message, std::uint32_t serial); // "notice.71-2"

// BSMTP, envelope and all.
[[nodiscard]] std::string render_notice(const Notice& notice, const Returned& returned,
                                        std::string_view hostname);

} // namespace bulkmail::spool
