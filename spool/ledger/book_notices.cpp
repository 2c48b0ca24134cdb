// Notices to senders: when they are decided on, and how they get from the journal into new/.
//
// What is to be told of a message waits, so that one notice tells of many recipients: until the message is final, when the
// record of the notice goes into the batch of the last outcome, and else as long as a status may wait for company. The
// recipients whom it tells of, and so its name and bytes, are settled by that record. A publication then drops the notice,
// and its sync covers it; of a message that goes on another record says so.
#include "spool/ledger/book.h"

namespace bulkmail::spool {

void Ledger::Book::note_outcome(Entry& entry, const OutcomeEvents& events, Now now) {
  const std::uint64_t number = entry.message->number();
  const bool waited = notices_.waits(number);
  notices_.note(*entry.message, events.recipients, *events.outcome, now.wall, config_->dsn);
  if (entry.message->final()) return cut_notices(entry, now);
  if (!waited && notices_.waits(number))
    rounds_.emplace_back(hurry_ ? at_once : now.mono + config_->status_interval, number);
}

void Ledger::Book::cut_notices(Entry& entry, Now now) {
  const auto records = notices_.cut(*entry.message, now.wall, pending().number);
  if (records.empty()) return;
  for (const NoticeRecord& record : records) encode(record, pending().records);
  touch(entry);
  commit_by(now.mono + config_->group_delay);
}

void Ledger::Book::cut_due_notices(Now now) {
  for (; !rounds_.empty() && rounds_.front().first <= now.mono; rounds_.pop_front()) {
    Entry* const found = entries_.find(rounds_.front().second);
    if (found != nullptr && !found->leaving) cut_notices(*found, now);
  }
}

// Of messages that became final meanwhile: these must not wake anybody.
void Ledger::Book::drop_stale_rounds() {
  while (!rounds_.empty() && !notices_.waits(rounds_.front().second)) rounds_.pop_front();
}

void Ledger::Book::finish_notices(const Publication& publication, Now now) {
  notices_leaving_ = false;
  for (const Notice& notice : publication.notices) {
    const std::uint64_t number = notice.facts->number;
    dropped_.push_back(notice_id(number, notice.serial));
    Entry* const found = entries_.find(number);
    if (found == nullptr || found->leaving || found->condemned) continue;
    encode(notices_.published(number, notice.serial), pending().records);
    touch(*found);
    commit_by(now.mono + config_->group_delay);
  }
}

} // namespace bulkmail::spool
