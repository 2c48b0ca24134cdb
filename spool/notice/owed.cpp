#include "spool/notice/owed.h"

#include <utility>

namespace bulkmail::spool {
namespace {

// Only a delay that lasts is worth telling.
bool still_so(NoticeKind kind, const SharedOutcome& outcome) {
  return (kind == NoticeKind::delay) == (outcome.action() == Action::delayed);
}

} // namespace

bool OwedNotices::told(const Owed& owed, NoticeKind kind, std::uint32_t recipient) {
  return std::ranges::any_of(owed.told, [&](const NoticeRecord& record) {
    const auto& recipients = record.recipients;
    return record.kind == kind && !recipients.empty() && recipients.front() <= recipient &&
           recipient <= recipients.back() && std::ranges::binary_search(recipients, recipient);
  });
}

void OwedNotices::note(const Message& message, std::span<const std::uint32_t> recipients,
                       const Outcome& outcome, Wall now, LedgerConfig::Dsn dsn) {
  const auto facts = message.facts();
  if (!may_be_told(facts->envelope, outcome.action, dsn)) return;
  for (const std::uint32_t index : recipients) {
    const auto kind = notice_for(*facts, facts->envelope.recipient(index).notify, outcome, now, dsn);
    if (!kind) continue;
    Owed& owed = owed_[message.number()];
    if (told(owed, *kind, index)) continue; // a delay, again
    if (!owed.waits()) ++waiting_;
    owed.waiting[static_cast<std::size_t>(*kind)].push_back(index);
  }
}

void OwedNotices::restore(const Message& message, std::vector<RecoveredNotice> notices, std::uint64_t batch,
                          Wall now, LedgerConfig::Dsn dsn) {
  if (!notices.empty()) {
    Owed& owed = owed_[message.number()];
    for (RecoveredNotice& one : notices) {
      owed.told.push_back(one.record);
      if (one.record.published || one.recipients.empty()) continue;
      cut_.push_back({batch,
                      {message.facts(), one.record.kind, one.record.serial, one.record.time,
                       std::move(one.recipients)}});
    }
  }
  for (std::uint32_t index = 0; index < message.counts().total; ++index) {
    const SharedOutcome* const outcome = message.outcome(index);
    if (outcome != nullptr)
      note(message, {&index, 1}, outcome->said(), outcome->last_attempt_date().value_or(now), dsn);
  }
}

bool OwedNotices::waits(std::uint64_t message) const {
  const auto found = owed_.find(message);
  return found != owed_.end() && found->second.waits();
}

std::vector<NoticeRecord> OwedNotices::cut(const Message& message, Wall now, std::uint64_t batch) {
  std::vector<NoticeRecord> records;
  const auto found = owed_.find(message.number());
  if (found == owed_.end() || !found->second.waits()) return records;
  Owed& owed = found->second;
  --waiting_;
  for (std::size_t at = 0; at < notice_kinds; ++at) {
    const auto kind = static_cast<NoticeKind>(at);
    auto waiting = std::exchange(owed.waiting[at], {});
    std::ranges::sort(waiting);
    waiting.erase(std::unique(waiting.begin(), waiting.end()), waiting.end());
    std::erase_if(waiting, [&](std::uint32_t index) { return !still_so(kind, *message.outcome(index)); });
    for (std::size_t start = 0; start < waiting.size(); start += recipients_per_notice) {
      const auto first = waiting.begin() + static_cast<std::ptrdiff_t>(start);
      const std::size_t count = std::min(recipients_per_notice, waiting.size() - start);
      NoticeRecord record{message.number(),
                          static_cast<std::uint32_t>(owed.told.size() + 1),
                          kind,
                          false,
                          now,
                          {first, first + static_cast<std::ptrdiff_t>(count)}};
      Notice notice{message.facts(), kind, record.serial, now, {}};
      for (const std::uint32_t index : record.recipients)
        notice.recipients.push_back({index, *message.outcome(index)});
      cut_.push_back({batch, std::move(notice)});
      owed.told.push_back(record);
      records.push_back(std::move(record));
    }
  }
  return records;
}

std::vector<Notice> OwedNotices::take_cut(std::uint64_t committed) {
  std::vector<Notice> taken;
  for (; any_cut(committed); cut_.pop_front()) taken.push_back(std::move(cut_.front().notice));
  return taken;
}

NoticeRecord OwedNotices::published(std::uint64_t message, std::uint32_t serial) {
  NoticeRecord& record = owed_.at(message).told.at(serial - 1);
  record.published = true;
  return {message, serial, record.kind, true, record.time, {}};
}

void OwedNotices::append_records(std::uint64_t message, std::string& out) const {
  const auto found = owed_.find(message);
  if (found == owed_.end()) return;
  for (const NoticeRecord& record : found->second.told) encode(record, out);
}

void OwedNotices::forget(std::uint64_t message) {
  const auto found = owed_.find(message);
  if (found == owed_.end()) return;
  if (found->second.waits()) --waiting_;
  std::erase_if(cut_, [&](const Cut& one) { return one.notice.facts->number == message; });
  owed_.erase(found);
}

} // namespace bulkmail::spool
