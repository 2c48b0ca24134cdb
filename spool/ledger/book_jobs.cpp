// What is due, and how well the disk is.
#include "spool/ledger/book.h"
#include "spool/ledger/tidy.h"

#include <algorithm>
#include <cerrno>

namespace bulkmail::spool {
namespace {

constexpr milliseconds first_tidy_delay{60'000};
constexpr milliseconds tidy_interval{3'600'000};

void keep_earlier(std::optional<Monotonic>& earliest, const std::optional<Monotonic>& other) {
  if (other && (!earliest || *other < *earliest)) earliest = other;
}

LedgerHealth::State state_after(const Failure& failure) {
  if (failure.sync) return LedgerHealth::State::broken;
  switch (failure.error.code) {
  case ENOSPC:
  case EDQUOT:
  // Not the disk's fault, but as with a full one: take no new work, and go on when there is some again.
  case EMFILE:
  case ENFILE:
  case ENOMEM: return LedgerHealth::State::full;
  case EROFS: return LedgerHealth::State::read_only;
  default: return LedgerHealth::State::broken;
  }
}

} // namespace

std::unique_ptr<LedgerJob> Ledger::Book::next_job(Now now) {
  if (health_.state == LedgerHealth::State::broken) return nullptr;
  if (!tidy_due_) tidy_due_ = now.mono + first_tidy_delay;
  if (!last_finish_) last_finish_ = now.mono;
  stage_due(now);
  cut_due_notices(now);
  if (auto job = next_commit(now)) return job;
  if (auto job = next_publication(now)) return job;
  return next_tidy(now);
}

std::unique_ptr<LedgerJob> Ledger::Book::next_tidy(Now now) {
  if (tidy_running_ || now.mono < *tidy_due_) return nullptr;
  tidy_running_ = true;
  return std::make_unique<TidyJob>(disk_, ids_, config_, now.wall);
}

void Ledger::Book::finish(std::unique_ptr<LedgerJob> job, Now now) {
  if (auto* const commit = dynamic_cast<CommitJob*>(job.get())) {
    finish_commit(*commit, now);
    last_finish_ = now.mono;
  } else if (auto* const publish = dynamic_cast<PublishJob*>(job.get())) {
    finish_publication(*publish, now);
    last_finish_ = now.mono;
  } else {
    tidy_running_ = false;
    tidy_due_ = now.mono + tidy_interval;
  }
  drop_stale_dues();
  drop_stale_rounds();
  judge_health();
  if (hurry_ && idle()) hurry_ = false;
}

std::optional<Monotonic> Ledger::Book::deadline() const {
  if (health_.state == LedgerHealth::State::broken) return std::nullopt;
  std::optional<Monotonic> earliest = publication_due();
  if (!commit_running_) {
    if (failed_batch_)
      keep_earlier(earliest, retry_commit_);
    else if (!pending().empty() || unstated_ != 0)
      keep_earlier(earliest, hurry_ ? at_once : *commit_due_);
  }
  if (!dues_.empty() && may_stage()) keep_earlier(earliest, hurry_ ? at_once : dues_.front().first);
  if (!rounds_.empty()) keep_earlier(earliest, rounds_.front().first);
  if (!tidy_running_) keep_earlier(earliest, tidy_due_);
  return earliest;
}

bool Ledger::Book::idle() const {
  return pending().empty() && unstated_ == 0 && !failed_batch_ && !commit_running_ && finals_.empty() &&
         staged_.empty() && statuses_due_ == 0 && notices_.idle() && !failed_publication_ &&
         !publish_running_;
}

void Ledger::Book::hurry() {
  if (idle()) return;
  hurry_ = true;
  for (Due& round : rounds_) round.first = at_once;
}

void Ledger::Book::judge_health() {
  if (health_.state == LedgerHealth::State::broken) return;
  health_ = {};
  for (const auto& failure : {commit_failure_, publish_failure_}) {
    if (!failure) continue;
    const auto state = state_after(*failure);
    if (state > health_.state) health_ = {state, failure->error.text};
  }
}

} // namespace bulkmail::spool
