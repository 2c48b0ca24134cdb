// Whether an outcome is to be told to the message's sender (RFC 3461 §4.1, §5.2; docs/notices.md).
//
// A null sender is never told anything, and every notice has one: so no notice is ever about a notice.
#pragma once

#include "spool/ledger_config.h"
#include "spool/message_facts.h"
#include "spool/outcome.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace bulkmail::spool {

enum class NoticeKind : std::uint8_t { failure, delay, success };
inline constexpr std::size_t notice_kinds = 3;

[[nodiscard]] std::string_view to_string(NoticeKind kind); // "failure"

// A delay is told of when an attempt fails so long after the arrival: before that it would only be noise.
inline constexpr milliseconds delay_worth_telling{4LL * 3'600'000};

// False: no recipient of this message will ever be told of by such an outcome; most messages end here.
[[nodiscard]] bool may_be_told(const Envelope& envelope, Action action, LedgerConfig::Dsn dsn);

// For one recipient. None: nobody is told.
[[nodiscard]] std::optional<NoticeKind> notice_for(const MessageFacts& facts, const Notify& notify,
                                                   const Outcome& outcome, Wall now, LedgerConfig::Dsn dsn);

} // namespace bulkmail::spool
