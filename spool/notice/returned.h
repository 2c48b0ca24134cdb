// What of the message goes back to its sender with a notice: all of it, or its header (RFC 3461 §4.3 RET).
#pragma once

#include "spool/disk.h"
#include "spool/message_facts.h"
#include "spool/notice/policy.h"

#include <cstdint>
#include <string>

namespace bulkmail::spool {

struct Returned {
  std::string text; // CRLF lines, no dot-stuffing
  bool full = false;
};

// RET=FULL is granted up to here; above, the header must do.
inline constexpr std::uint64_t max_full_return = 1 << 20;
// Without RET a small message goes back whole, as with Postfix (50 kB) and Exim (100 kB): who wrote it by hand may have no
// other copy. A list's post is larger more often, and its sender has it.
inline constexpr std::uint64_t max_unasked_return = 100 << 10;
inline constexpr std::uint64_t max_returned_header = 64 << 10;

// RET speaks of failures alone; with other notices the header goes.
[[nodiscard]] bool returns_all(const MessageFacts& facts, NoticeKind kind);

// Reads cur/<id>. Blocking.
[[nodiscard]] Result<Returned> read_returned(Disk& disk, const MessageFacts& facts, NoticeKind kind);

} // namespace bulkmail::spool
