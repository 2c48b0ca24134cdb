#include "spool/ledger/book.h"

#include "spool/ledger/state_records.h"
#include "spool/recovery.h"

#include <algorithm>
#include <cerrno>

namespace bulkmail::spool {
namespace {

// A `begin` alone hurries nobody: without it the file is only taken anew.
constexpr milliseconds begin_delay{1'000};
constexpr milliseconds first_status_delay{1'000};

} // namespace

Ledger::Book::Book(Disk& disk, Ids& ids, LedgerConfig config)
    : disk_(disk),
      ids_(ids),
      config_(std::make_shared<const LedgerConfig>(std::move(config))),
      files_(std::make_shared<CommitFiles>(disk)),
      pending_(std::make_unique<Batch>()) {
  pending_->number = 1;
}

Result<Recovered> Ledger::Book::recover(Wall now) {
  auto spool = recover_spool(disk_, ids_, config_->expire, now);
  if (!spool) return std::unexpected(spool.error());
  next_event_ = spool->next_event;
  next_message_ = spool->next_message;
  files_->results.resume_at(spool->results_length);
  for (const std::uint64_t segment : spool->segments) segments_.add(segment);
  if (!spool->segments.empty()) {
    segment_ = spool->segments.back();
    segments_.newest_is(segment_);
    files_->journal.resume_after(segment_, spool->last_segment_length);
  }

  // The whole state goes into new segments, some of it with each commit, so that the old ones can go, and so that nothing
  // depends on bytes that were read back from a memory which the disk may never have taken.
  segments_.hold_all();
  keep_recovered_ = spool->keep_segments;
  Recovered recovered;
  recovered.warnings = std::move(spool->warnings);
  recovered.messages.reserve(spool->messages.size());
  recovered_pins_ = 1;
  for (RecoveredMessage& one : spool->messages) {
    recovered.messages.push_back(std::move(one.message));
    adopt(*recovered.messages.back(), one, now);
  }
  pending().events.insert(pending().events.begin(), std::make_move_iterator(spool->missing.begin()),
                          std::make_move_iterator(spool->missing.end()));
  if (pending().empty() && unstated_ == 0) {
    unpin_recovered();
  } else {
    pending().begins_start = true;
    commit_by(at_once);
  }
  return recovered;
}

void Ledger::Book::adopt(Message& message, RecoveredMessage& recovered, Wall now) {
  Entry& entry = entries_.insert(message.number(), Entry{&message});
  entry.has_status = recovered.has_status;
  entry.delay_told = message.counts().delayed != 0;
  entry.unstated = entry.unstored = true;
  entry.unknown = !recovered.journalled;
  ++unstated_;
  ++recovered_pins_;
  next_message_ = std::max(next_message_, message.number() + 1);
  if (!recovered.condemned) {
    // The old segments have the records of what is unpublished, until its state is written anew.
    notices_.restore(message, std::move(recovered.notices), pending().number, now, config_->dsn);
    if (notices_.waits(message.number())) {
      if (message.final())
        cut_notices(entry, {at_once, now});
      else
        rounds_.emplace_back(at_once, message.number());
    }
    if (!message.final() && wants_status(entry)) status_by(entry, at_once);
    return;
  }
  entry.condemned = true;
  condemned_.emplace(message.number(), *recovered.condemned);
  restate(message.number(), entry);
  if (recovered.condemnation)
    encode(*recovered.condemnation, pending().records);
  else
    refusal_event(message.number(), message.facts()->id, message.facts()->name, *recovered.condemned, now);
}

void Ledger::Book::begin(Message& message, Now now) {
  Entry& entry = entries_.insert(message.number(), Entry{&message});
  append_begin(message, pending().records);
  touch(entry);
  commit_by(now.mono + begin_delay);
  if (wants_status(entry)) status_by(entry, now.mono + first_status_delay);
}

void Ledger::Book::settle(Message& message, std::span<const std::uint32_t> recipients, Outcome outcome,
                          Now now) {
  Entry* const found = find(message);
  if (found == nullptr || found->condemned) return;
  Entry& entry = *found;

  OutcomeRecord record;
  record.recipients.reserve(recipients.size());
  for (const std::uint32_t index : recipients)
    if (index < message.recipients() && !is_final(message.action(index))) record.recipients.push_back(index);
  if (!std::is_sorted(record.recipients.begin(), record.recipients.end()))
    std::sort(record.recipients.begin(), record.recipients.end());
  record.recipients.erase(std::unique(record.recipients.begin(), record.recipients.end()),
                          record.recipients.end());
  if (record.recipients.empty()) return;

  ensure_begun(entry);
  record.message = message.number();
  record.first_event = next_event_;
  record.time = now.wall;
  record.outcome = std::move(outcome);
  next_event_ += record.recipients.size();
  encode(record, pending().records);
  touch(entry);
  commit_by(now.mono + config_->group_delay);

  OutcomeEvents events;
  events.facts = message.packed();
  events.first_event = record.first_event;
  events.time = now.wall;
  events.recipients = std::move(record.recipients);
  events.outcome = std::make_shared<const Outcome>(std::move(record.outcome));
  message.apply(events.recipients, shelf_.share(*events.outcome));
  events.attempts.reserve(events.recipients.size());
  for (const std::uint32_t index : events.recipients) events.attempts.push_back(message.attempts(index));
  note_outcome(entry, events, now);
  pending().events.emplace_back(std::move(events));
  plan_status(entry, now);
}

void Ledger::Book::refused(const Refused& refused, Now now) {
  refusal_event(0, refused.id, refused.name, refused.problem, now.wall);
  commit_by(now.mono + config_->group_delay);
}

void Ledger::Book::condemn(Message& message, DropProblem problem, Now now) {
  Entry* const found = find(message);
  if (found == nullptr || found->condemned || found->leaving || message.final()) return;
  Entry& entry = *found;
  entry.condemned = true;
  forget_status(entry);
  notices_.forget(message.number()); // nobody knows what the message was
  ensure_begun(entry);
  const auto facts = message.facts();
  refusal_event(facts->number, facts->id, facts->name, problem, now.wall);
  condemned_.emplace(facts->number, std::move(problem));
  touch(entry);
  commit_by(now.mono + config_->group_delay);
}

void Ledger::Book::refusal_event(std::uint64_t message, const std::string& id, const std::string& name,
                                 const DropProblem& problem, Wall now) {
  RefusedRecord record{message, next_event_++, now, id, name, problem.code, problem.text, problem.line};
  encode(record, pending().records);
  pending().events.emplace_back(std::move(record));
}

} // namespace bulkmail::spool
