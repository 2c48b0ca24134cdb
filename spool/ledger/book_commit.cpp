// Gathering and committing batches.
#include "spool/ledger/book.h"
#include "spool/ledger/state_records.h"

#include <algorithm>

namespace bulkmail::spool {
namespace {

// Of old states a commit takes so much along at most, so that outcomes don't wait for it.
constexpr std::size_t carried_per_commit = 128 * 1024;
constexpr std::size_t looked_at_per_commit = 20'000; // messages, some tenths of a millisecond

} // namespace

void Ledger::Book::touch(Entry& entry) {
  entry.last_batch = pending().number & last_batch_mask;
  pending().touched.push_back(entry.message->number());
  next_message_ = std::max(next_message_, entry.message->number() + 1);
}

void Ledger::Book::commit_by(Monotonic when) {
  if (!commit_due_ || when < *commit_due_) commit_due_ = when;
}

std::uint64_t Ledger::Book::commit_now() {
  if (pending().empty()) return pending().number - 1;
  commit_by(at_once);
  return pending().number;
}

// Of a message that the journal doesn't know, nothing else may stand in it before its `begin`.
void Ledger::Book::ensure_begun(Entry& entry) {
  if (entry.unknown) restate(entry.message->number(), entry);
}

void Ledger::Book::restate(std::uint64_t number, Entry& entry) {
  append_state(*entry.message, pending().records);
  notices_.append_records(number, pending().records);
  touch(entry);
  pending().carried.push_back(number);
  if (entry.unstated) {
    --unstated_;
    restated_ = pending().number;
  }
  entry.unstated = entry.unknown = false;
}

void Ledger::Book::restate_recovered() {
  const std::size_t before = pending().records.size();
  entries_.visit(restate_from_, [&](std::uint64_t number, Entry& entry) {
    if (unstated_ == 0 || pending().records.size() - before >= carried_per_commit) return false;
    restate_from_ = number + 1;
    if (entry.unstated) restate(number, entry);
    return true;
  });
}

// A message that is tried for days holds its oldest segment and all after it. When these become many, the states of the
// oldest one's messages are written anew, some with each commit, until it can go.
void Ledger::Book::carry_oldest_segment() {
  if (segments_.count() <= carry_above_) return;
  const auto oldest = segments_.oldest_pinned();
  if (!oldest) return;
  if (*oldest != carried_segment_) {
    carried_segment_ = *oldest;
    carry_from_ = 0;
    carried_bytes_ = 0;
  }
  const std::size_t before = pending().records.size();
  std::size_t looked_at = 0;
  bool all = true;
  entries_.visit(carry_from_, [&](std::uint64_t number, Entry& entry) {
    if (pending().records.size() - before >= carried_per_commit || looked_at == looked_at_per_commit)
      return all = false;
    ++looked_at;
    carry_from_ = number + 1;
    if (entry.segment == carried_segment_ && !entry.leaving && !entry.condemned) restate(number, entry);
    return true;
  });
  carried_bytes_ += pending().records.size() - before;
  if (!all) return;
  // Where more than half of a segment was still needed there is little to gain: let more of them gather.
  carry_above_ = carried_bytes_ > config_->segment_size / 2 ? 2 * segments_.count()
                                                            : std::max(usual_segments, carry_above_ / 2);
}

// All of the message that an older segment has is durable in a newer one.
void Ledger::Book::stored(Entry& entry) {
  if (!entry.unstored) return;
  entry.unstored = false;
  unpin_recovered();
}

void Ledger::Book::unpin_recovered() {
  if (--recovered_pins_ == 0 && !keep_recovered_) segments_.release_all();
}

std::unique_ptr<LedgerJob> Ledger::Book::next_commit(Now now) {
  if (commit_running_) return nullptr;
  std::unique_ptr<Batch> batch;
  if (failed_batch_) {
    if (now.mono < *retry_commit_) return nullptr;
    batch = std::move(failed_batch_);
  } else {
    if ((pending().empty() && unstated_ == 0) || (!hurry_ && now.mono < *commit_due_)) return nullptr;
    if (unstated_ != 0) restate_recovered();
    if (!pending().records.empty()) {
      if (!segment_open_ || segment_bytes_ >= config_->segment_size) {
        ++segment_;
        segment_open_ = true;
        segment_bytes_ = 0;
        segments_.add(segment_);
      }
      carry_oldest_segment();
    }
    batch = std::exchange(pending_, std::make_unique<Batch>());
    pending().number = batch->number + 1;
    commit_due_.reset();
    if (unstated_ != 0) commit_by(at_once);
    segment_bytes_ += batch->records.size();
    batch->header.number = segment_;
    batch->header.next_event = next_event_;
    batch->header.next_message = next_message_;
    for (const std::uint64_t number : batch->touched) {
      Entry& entry = *entries_.find(number);
      if (entry.segment != 0) continue;
      entry.segment = static_cast<std::uint32_t>(segment_);
      segments_.pin(segment_);
    }
  }
  commit_running_ = true;
  return std::make_unique<CommitJob>(files_, std::move(batch), config_->results_rotate, now.wall);
}

void Ledger::Book::finish_commit(CommitJob& job, Now now) {
  commit_running_ = false;
  commit_failure_.reset();
  if (!job.done) {
    commit_failure_ = job.done.error();
    failed_batch_ = std::move(job.batch);
    retry_commit_ = now.mono + retry_delay;
    return;
  }
  const Batch& batch = *job.batch;
  committed_ = batch.number;
  if (!batch.records.empty()) segments_.newest_is(batch.header.number);
  for (const std::uint64_t number : batch.carried) {
    Entry& entry = *entries_.find(number);
    stored(entry);
    if (entry.segment == batch.header.number) continue;
    segments_.unpin(entry.segment);
    segments_.pin(batch.header.number);
    entry.segment = static_cast<std::uint32_t>(batch.header.number);
  }
  if (batch.begins_start) unpin_recovered();
  for (const std::uint64_t number : batch.touched) {
    Entry& entry = *entries_.find(number);
    const bool done = entry.condemned || entry.message->final();
    if (!done || entry.leaving || entry.last_batch > committed_) continue;
    entry.leaving = true;
    if (entry.unstated) --unstated_; // it will be gone before its state is asked for
    entry.unstated = false;
    finals_.push_back(number);
    publish_by(now.mono + config_->publish_delay);
  }
  if (staged_is_ready()) publish_by(now.mono);
  if (notices_.any_cut(committed_)) publish_by(now.mono + config_->publish_delay);
}

} // namespace bulkmail::spool
