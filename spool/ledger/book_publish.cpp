// Status files that are due, and what is final leaving the queue.
#include "spool/ledger/book.h"

#include <algorithm>
#include <functional>

namespace bulkmail::spool {
namespace {

constexpr milliseconds first_delay_gather{500};   // the first delay must be told of within a second
constexpr milliseconds segment_drop_delay{1'000}; // until an idle ledger syncs once more to let segments go
// Statuses that aren't final, in one publication: those that are final must not wait for 100,000 others after a start.
constexpr std::size_t staged_per_publication = 1'000;

} // namespace

bool Ledger::Book::wants_status(const Entry& entry) const {
  const Counts& counts = entry.message->counts();
  switch (config_->files) {
  case LedgerConfig::Files::all: return true;
  case LedgerConfig::Files::failed: return counts.failed != 0 || counts.delayed != 0 || entry.has_status;
  case LedgerConfig::Files::none: return false;
  }
  return true;
}

void Ledger::Book::status_by(Entry& entry, Monotonic when) {
  if (entry.status_due && *entry.status_due <= when) return;
  if (!entry.status_due) ++statuses_due_;
  entry.status_due = when;
  dues_.emplace_back(when, entry.message->number());
  std::push_heap(dues_.begin(), dues_.end(), std::greater<>());
}

void Ledger::Book::forget_status(Entry& entry) {
  if (entry.status_due) --statuses_due_;
  entry.status_due.reset();
}

// Something changed.
void Ledger::Book::plan_status(Entry& entry, Now now) {
  const Message& message = *entry.message;
  if (message.final()) return forget_status(entry);
  if (!wants_status(entry)) return;
  if (message.counts().delayed != 0 && !entry.delay_told) {
    entry.delay_told = true;
    return status_by(entry, now.mono + first_delay_gather);
  }
  status_by(entry, entry.last_status ? *entry.last_status + config_->status_interval
                                     : now.mono + first_delay_gather);
}

// Times that no longer count must not wake anybody.
void Ledger::Book::drop_stale_dues() {
  while (!dues_.empty()) {
    const auto [when, number] = dues_.front();
    const auto found = entries_.find(number);
    if (found != entries_.end() && found->second.status_due == when) return;
    std::pop_heap(dues_.begin(), dues_.end(), std::greater<>());
    dues_.pop_back();
  }
}

void Ledger::Book::stage_due(Now now) {
  for (drop_stale_dues(); !dues_.empty() && dues_.front().first <= now.mono; drop_stale_dues()) {
    Entry& entry = entries_.at(dues_.front().second);
    if (entry.staged) { // the one before isn't written yet
      forget_status(entry);
      status_by(entry, now.mono + retry_delay);
      continue;
    }
    forget_status(entry);
    entry.staged = true;
    entry.has_status = true;
    entry.last_status = now.mono;
    staged_.push_back({entry.last_batch, entry.message->number(), entry.message->snapshot(now.wall)});
    if (entry.last_batch <= committed_)
      publish_by(now.mono);
    else
      commit_by(now.mono);
  }
}

void Ledger::Book::publish_by(Monotonic when) {
  if (!publish_due_ || when < *publish_due_) publish_due_ = when;
}

bool Ledger::Book::staged_is_ready() const {
  return std::any_of(staged_.begin(), staged_.end(),
                     [this](const Staged& one) { return one.batch <= committed_; });
}

// None: there is nothing to publish.
std::optional<Monotonic> Ledger::Book::publication_due() const {
  if (publish_running_) return std::nullopt;
  if (failed_publication_) return retry_publish_;
  if (publish_due_) return hurry_ ? at_once : *publish_due_;
  // Idle otherwise: one sync lets the last segments go, and then all is quiet.
  const bool quiet = !commit_running_ && pending().empty() && !failed_batch_;
  if (quiet && last_finish_ && segments_.any_removable()) return *last_finish_ + segment_drop_delay;
  return std::nullopt;
}

std::unique_ptr<LedgerJob> Ledger::Book::next_publication(Now now) {
  const auto due = publication_due();
  if (!due || now.mono < *due) return nullptr;
  auto publication = failed_publication_ ? std::move(failed_publication_) : gather_publication(now);
  publish_running_ = true;
  return std::make_unique<PublishJob>(disk_, std::move(publication));
}

std::unique_ptr<Publication> Ledger::Book::gather_publication(Now now) {
  auto publication = std::make_unique<Publication>();
  publication->config = config_;
  publish_due_.reset();

  // Snapshots of what isn't final yet go first, so that a file's serials grow.
  std::size_t taken = 0;
  const auto rest = std::stable_partition(staged_.begin(), staged_.end(), [&](const Staged& one) {
    return one.batch <= committed_ && taken++ < staged_per_publication;
  });
  for (auto one = staged_.begin(); one != rest; ++one) {
    const auto found = entries_.find(one->message);
    if (found == entries_.end()) continue;
    found->second.staged = false;
    if (!found->second.leaving) publication->statuses.push_back({std::move(one->snapshot), std::nullopt});
  }
  staged_.erase(staged_.begin(), rest);
  if (staged_is_ready()) publish_by(now.mono);

  for (const std::uint64_t number : finals_) {
    Entry& entry = entries_.at(number);
    if (entry.condemned || wants_status(entry))
      publication->statuses.push_back({entry.message->snapshot(now.wall), entry.condemned});
    publication->leaving.push_back({number, entry.message->id(), entry.condemned.has_value()});
  }
  finals_.clear();

  publication->notices = notices_.take_cut(committed_); // among them all of those that leave
  notices_leaving_ = !publication->notices.empty();

  // What is removable now became so before the sync of this publication begins.
  publication->segments = segments_.take_removable();
  publication->needs_sync =
      !publication->notices.empty() || !publication->leaving.empty() || !publication->segments.empty();
  return publication;
}

void Ledger::Book::finish_publication(PublishJob& job, Now now) {
  publish_running_ = false;
  publish_failure_.reset();
  if (!job.done) {
    publish_failure_ = job.done.error();
    failed_publication_ = std::move(job.publication);
    retry_publish_ = now.mono + retry_delay;
    return;
  }
  for (const Publication::Leaving& leaving : job.publication->leaving) close(leaving);
  finish_notices(*job.publication, now);
}

void Ledger::Book::close(const Publication::Leaving& leaving) {
  const auto found = entries_.find(leaving.number);
  for (const std::uint64_t segment : found->second.segments) segments_.unpin(segment);
  forget_status(found->second);
  entries_.erase(found);
  notices_.forget(leaving.number);
  ids_.release(leaving.id);
  closed_.push_back(leaving.number);
}

} // namespace bulkmail::spool
