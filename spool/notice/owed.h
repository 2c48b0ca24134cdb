// What the senders of the messages in the queue are still to be told, and what they were told: of those few messages that
// have anything to tell; a message without costs nothing here.
//
//   note()      an outcome that a notice is due for waits, with others of its message
//   cut()       what waits becomes notices with a number: from here on, and over a crash, their names and bytes are settled
//   take_cut()  those whose records are durable, to be dropped into new/
//   published() their drops are durable: no start writes them again
//
// It decides no time and writes no file; the ledger does (spool/ledger/book_notices.cpp).
#pragma once

#include "spool/journal/journal.h"
#include "spool/ledger_config.h"
#include "spool/message.h"
#include "spool/notice/notice.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

namespace bulkmail::spool {

// A notice that the journal knows, and the outcomes that its recipients had when it was decided on.
struct RecoveredNotice {
  NoticeRecord record;
  std::vector<NoticeRecipient> recipients;
};

class OwedNotices {
 public:
  void note(const Message& message, std::span<const std::uint32_t> recipients, const Outcome& outcome,
            Wall now, LedgerConfig::Dsn dsn);

  // What the journal knows, and what else its states ask for. Unpublished ones count as cut in `batch`.
  void restore(const Message& message, std::vector<RecoveredNotice> notices, std::uint64_t batch, Wall now,
               LedgerConfig::Dsn dsn);

  [[nodiscard]] bool waits(std::uint64_t message) const;

  // The records for the journal, which go into `batch`.
  [[nodiscard]] std::vector<NoticeRecord> cut(const Message& message, Wall now, std::uint64_t batch);

  [[nodiscard]] bool any_cut(std::uint64_t committed) const {
    return !cut_.empty() && cut_.front().batch <= committed;
  }

  [[nodiscard]] std::vector<Notice> take_cut(std::uint64_t committed);

  [[nodiscard]] NoticeRecord published(std::uint64_t message, std::uint32_t serial);

  // All records of a message anew, beside its state.
  void append_records(std::uint64_t message, std::string& out) const;

  void forget(std::uint64_t message);

  [[nodiscard]] bool idle() const { return waiting_ == 0 && cut_.empty(); }

 private:
  struct Owed {
    std::vector<NoticeRecord> told;                               // by serial
    std::array<std::vector<std::uint32_t>, notice_kinds> waiting; // recipients, maybe more than once

    [[nodiscard]] bool waits() const {
      return std::ranges::any_of(waiting, [](const auto& kind) { return !kind.empty(); });
    }
  };

  struct Cut {
    std::uint64_t batch = 0; // must be committed first
    Notice notice;
  };

  [[nodiscard]] static bool told(const Owed& owed, NoticeKind kind, std::uint32_t recipient);

  std::unordered_map<std::uint64_t, Owed> owed_;
  std::deque<Cut> cut_;     // in the order of their batches
  std::size_t waiting_ = 0; // messages of which something waits
};

} // namespace bulkmail::spool
