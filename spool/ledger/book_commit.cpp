// Gathering and committing batches.
#include "spool/ledger/book.h"
#include "spool/ledger/state_records.h"

#include <algorithm>

namespace bulkmail::spool {
namespace {

// Of old states a commit takes so much along at most, so that outcomes don't wait for it.
constexpr std::size_t carried_per_commit = 256 * 1024;

} // namespace

void Ledger::Book::touch(Entry& entry) {
  entry.last_batch = pending().number;
  pending().touched.push_back(entry.message->number());
  next_message_ = std::max(next_message_, entry.message->number() + 1);
}

void Ledger::Book::commit_by(Monotonic when) {
  if (!commit_due_ || when < *commit_due_) commit_due_ = when;
}

// A message that is tried for days keeps every segment in which it has an outcome. When these become many, the states of
// the oldest one's messages are written anew, some with each commit, until it can go.
void Ledger::Book::carry_oldest_segment() {
  if (segments_.count() <= carry_above_) return;
  const std::size_t before = pending().records.size();
  std::vector<std::uint64_t>* const members = segments_.oldest_members();
  if (members == nullptr) return;
  while (!members->empty() && pending().records.size() - before < carried_per_commit) {
    const auto found = entries_.find(members->back());
    members->pop_back();
    if (found == entries_.end() || found->second.leaving || found->second.condemned) continue;
    append_state(*found->second.message, pending().records);
    notices_.append_records(found->first, pending().records);
    touch(found->second);
    pending().carried.push_back(found->first);
  }
  carried_bytes_ += pending().records.size() - before;
  if (!members->empty()) return;
  // Where more than half of a segment was still needed there is little to gain: let more of them gather.
  carry_above_ = carried_bytes_ > config_->segment_size / 2 ? 2 * segments_.count()
                                                            : std::max(usual_segments, carry_above_ / 2);
  carried_bytes_ = 0;
}

std::unique_ptr<LedgerJob> Ledger::Book::next_commit(Now now) {
  if (commit_running_) return nullptr;
  std::unique_ptr<Batch> batch;
  if (failed_batch_) {
    if (now.mono < *retry_commit_) return nullptr;
    batch = std::move(failed_batch_);
  } else {
    if (pending().empty() || (!hurry_ && now.mono < *commit_due_)) return nullptr;
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
    segment_bytes_ += batch->records.size();
    batch->header.number = segment_;
    batch->header.next_event = next_event_;
    batch->header.next_message = next_message_;
    for (const std::uint64_t number : batch->touched) {
      Entry& entry = entries_.at(number);
      if (!entry.segments.empty() && entry.segments.back() == segment_) continue;
      entry.segments.push_back(segment_);
      segments_.pin(segment_, number);
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
    Entry& entry = entries_.at(number);
    const auto older = std::partition(entry.segments.begin(), entry.segments.end(),
                                      [&](std::uint64_t segment) { return segment >= batch.header.number; });
    std::for_each(older, entry.segments.end(), [&](std::uint64_t segment) { segments_.unpin(segment); });
    entry.segments.erase(older, entry.segments.end());
  }
  if (batch.frees_recovered_segments) segments_.release_all();
  for (const std::uint64_t number : batch.touched) {
    Entry& entry = entries_.at(number);
    const bool done = entry.condemned || entry.message->final();
    if (!done || entry.leaving || entry.last_batch > committed_) continue;
    entry.leaving = true;
    finals_.push_back(number);
    publish_by(now.mono + config_->publish_delay);
  }
  if (staged_is_ready()) publish_by(now.mono);
  if (notices_.any_cut(committed_)) publish_by(now.mono + config_->publish_delay);
}

} // namespace bulkmail::spool
