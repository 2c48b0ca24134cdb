// Status files that are due, and what is final leaving the queue.
#include "spool/ledger/book.h"

#include <algorithm>
#include <functional>

namespace bulkmail::spool {
namespace {

constexpr milliseconds first_delay_gather{500};   // the first delay must be told of within a second
constexpr milliseconds segment_drop_delay{1'000}; // until an idle ledger syncs once more to let segments go
// Statuses that aren't final and wait to be published: those that are final must not wait for 100,000 others after a start.
constexpr std::size_t staged_at_once = 1'000;
constexpr std::size_t finals_per_publication = 2'000; // of the loop's time, about a millisecond

using std::chrono::seconds;

// Rounded up: statuses must not come closer than their interval.
std::uint32_t second(Monotonic when) {
  return static_cast<std::uint32_t>(std::chrono::ceil<seconds>(when.time_since_epoch()).count());
}

} // namespace

bool Ledger::Book::wants_status(const Entry& entry) const {
  const Counts counts = entry.message->counts();
  switch (config_->files) {
  case LedgerConfig::Files::all: return true;
  case LedgerConfig::Files::failed: return counts.failed != 0 || counts.delayed != 0 || entry.has_status;
  case LedgerConfig::Files::none: return false;
  }
  return true;
}

void Ledger::Book::status_by(Entry& entry, Monotonic when) {
  if (entry.status_due <= when) return;
  if (entry.status_due == never) ++statuses_due_;
  entry.status_due = when;
  dues_.emplace_back(when, entry.message->number());
  std::push_heap(dues_.begin(), dues_.end(), std::greater<>());
}

void Ledger::Book::forget_status(Entry& entry) {
  if (entry.status_due != never) --statuses_due_;
  entry.status_due = never;
}

// Something changed.
void Ledger::Book::plan_status(Entry& entry, Now now) {
  const Counts counts = entry.message->counts();
  if (counts.all_final()) return forget_status(entry);
  if (!wants_status(entry)) return;
  if (counts.delayed != 0 && !entry.delay_told) {
    entry.delay_told = true;
    return status_by(entry, now.mono + first_delay_gather);
  }
  status_by(entry, entry.last_status != 0 ? Monotonic(seconds(entry.last_status)) + config_->status_interval
                                          : now.mono + first_delay_gather);
}

// Times that no longer count must not wake anybody.
void Ledger::Book::drop_stale_dues() {
  while (!dues_.empty()) {
    const auto [when, number] = dues_.front();
    const Entry* const found = entries_.find(number);
    if (found != nullptr && found->status_due == when) break;
    std::pop_heap(dues_.begin(), dues_.end(), std::greater<>());
    dues_.pop_back();
  }
  if (dues_.size() < dues_.capacity() / 4) dues_.shrink_to_fit();
}

// What waits in staged_ has a copy of its message's state: it must not become much.
bool Ledger::Book::may_stage() const { return staged_.size() < staged_at_once; }

void Ledger::Book::stage_due(Now now) {
  for (drop_stale_dues(); !dues_.empty() && may_stage(); drop_stale_dues()) {
    if (!hurry_ && dues_.front().first > now.mono) return;
    Entry& entry = *entries_.find(dues_.front().second);
    forget_status(entry);
    if (entry.staged) { // the one before isn't written yet
      entry.again = true;
      continue;
    }
    entry.staged = true;
    entry.has_status = true;
    entry.last_status = second(now.mono);
    staged_.push_back({entry.last_batch, entry.message->number(), entry.message->snapshot(now.wall)});
    if (entry.last_batch <= committed_)
      publish_by(now.mono);
    else
      commit_by(now.mono);
  }
}

std::vector<std::uint64_t> Ledger::Book::statuses_due_by(Monotonic when) const {
  std::vector<std::uint64_t> numbers;
  std::vector<std::size_t> places{0}; // in the heap, whose parents are due before their children
  while (!places.empty() && numbers.size() < staged_at_once) {
    const std::size_t place = places.back();
    places.pop_back();
    if (place >= dues_.size() || dues_[place].first > when) continue;
    const Entry* const entry = entries_.find(dues_[place].second);
    if (entry != nullptr && entry->status_due == dues_[place].first) numbers.push_back(dues_[place].second);
    places.push_back(2 * place + 2);
    places.push_back(2 * place + 1);
  }
  return numbers;
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
  const auto rest = std::stable_partition(staged_.begin(), staged_.end(),
                                          [&](const Staged& one) { return one.batch <= committed_; });
  for (auto one = staged_.begin(); one != rest; ++one) {
    Entry* const found = entries_.find(one->message);
    if (found == nullptr) continue;
    found->staged = false;
    if (found->again) status_by(*found, now.mono + retry_delay);
    found->again = false;
    if (!found->leaving) publication->statuses.push_back({std::move(one->snapshot), std::nullopt});
  }
  staged_.erase(staged_.begin(), rest);

  const auto last =
      finals_.begin() + static_cast<std::ptrdiff_t>(std::min(finals_.size(), finals_per_publication));
  for (auto number = finals_.begin(); number != last; ++number) {
    Entry& entry = *entries_.find(*number);
    const auto problem = condemned_.find(*number);
    if (problem != condemned_.end())
      publication->statuses.push_back({entry.message->snapshot(now.wall), problem->second});
    else if (wants_status(entry))
      publication->statuses.push_back({entry.message->snapshot(now.wall), std::nullopt});
    publication->leaving.push_back({*number, std::string(entry.message->id()), entry.condemned});
  }
  finals_.erase(finals_.begin(), last);
  if (!finals_.empty()) publish_by(now.mono);

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
  Entry& entry = *entries_.find(leaving.number);
  segments_.unpin(entry.segment);
  forget_status(entry);
  stored(entry);
  if (entry.condemned) condemned_.erase(leaving.number);
  entries_.erase(leaving.number);
  notices_.forget(leaving.number);
  ids_.release(leaving.id);
  closed_.push_back(leaving.number);
}

} // namespace bulkmail::spool
