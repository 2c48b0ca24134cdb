#include "spool/ledger.h"

#include "spool/ledger/book.h"

namespace bulkmail::spool {

Ledger::Ledger(Disk& disk, Ids& ids, LedgerConfig config)
    : book_(std::make_unique<Book>(disk, ids, std::move(config))) {}

Ledger::~Ledger() = default;

Result<Recovered> Ledger::recover(Wall now) { return book_->recover(now); }

void Ledger::begin(Message& message, Now now) { book_->begin(message, now); }

void Ledger::settle(Message& message, std::span<const std::uint32_t> recipients, Outcome outcome, Now now) {
  book_->settle(message, recipients, std::move(outcome), now);
}

void Ledger::refused(const Refused& refused, Now now) { book_->refused(refused, now); }

void Ledger::condemn(Message& message, DropProblem problem, Now now) {
  book_->condemn(message, std::move(problem), now);
}

std::unique_ptr<LedgerJob> Ledger::next_job(Now now) { return book_->next_job(now); }

void Ledger::finish(std::unique_ptr<LedgerJob> job, Now now) { book_->finish(std::move(job), now); }

std::optional<Monotonic> Ledger::deadline() const { return book_->deadline(); }

std::vector<std::uint64_t> Ledger::statuses_due_by(Monotonic when) const {
  return book_->statuses_due_by(when);
}

std::vector<std::uint64_t> Ledger::take_closed() { return book_->take_closed(); }

std::vector<std::string> Ledger::take_dropped() { return book_->take_dropped(); }

bool Ledger::owes_notices() const { return book_->owes_notices(); }

bool Ledger::idle() const { return book_->idle(); }

std::uint64_t Ledger::commit_now() { return book_->commit_now(); }

bool Ledger::is_durable(std::uint64_t commit) const { return book_->is_durable(commit); }

void Ledger::hurry() { book_->hurry(); }

const LedgerHealth& Ledger::health() const { return book_->health(); }

void Ledger::set_config(LedgerConfig config) { book_->set_config(std::move(config)); }

} // namespace bulkmail::spool
