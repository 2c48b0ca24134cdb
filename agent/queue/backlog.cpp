#include "agent/queue/backlog.h"

#include <algorithm>

namespace bulkmail::agent {

std::shared_ptr<Mail> Backlog::add(spool::Message& message, Domains& domains,
                                   std::span<const Scheduler::Restored> delayed, Monotonic now,
                                   List<Job>& ready) {
  auto mail = std::make_shared<Mail>();
  mail->message = &message;
  mail->number = message.number();
  mails_.emplace(message.number(), mail);

  const spool::Envelope& envelope = message.envelope();
  picked_.clear();
  groups_.clear();
  ++mark_;
  for (std::uint32_t i = 0; i < envelope.size(); ++i) {
    if (spool::is_final(message.action(i))) continue;
    DomainQueue& domain = domains.find_or_make(envelope.recipient(i).domain);
    if (domain.mark != mark_) {
      domain.mark = mark_;
      domain.group = static_cast<std::uint32_t>(groups_.size());
      groups_.push_back({&domain, 0});
    }
    ++groups_[domain.group].count;
    picked_.push_back({i, domain.group});
  }

  std::vector<Monotonic> due; // of each recipient; empty: nothing was restored
  if (!delayed.empty()) {
    due.assign(envelope.size(), now);
    for (const auto& restored : delayed) {
      if (restored.recipient < due.size()) due[restored.recipient] = restored.due;
    }
  }

  mail->unfinished = static_cast<std::uint32_t>(picked_.size());
  mail->share_count = static_cast<std::uint32_t>(groups_.size());
  mail->order = std::make_unique_for_overwrite<std::uint32_t[]>(picked_.size());
  mail->shares = std::make_unique<Share[]>(groups_.size());

  // A counting sort: each domain's recipients side by side, in the envelope's order.
  std::uint32_t begin = 0;
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    Share& share = mail->shares[g];
    share.mail = mail.get();
    share.domain = groups_[g].domain;
    share.unfinished = groups_[g].count;
    if (share.domain->shares++ == 0) domains.wake(*share.domain);
    groups_[g].count = begin; // from here on: where its next one goes
    begin += share.unfinished;
  }
  for (const Picked& picked : picked_) mail->order[groups_[picked.group].count++] = picked.recipient;

  begin = 0;
  for (std::uint32_t g = 0; g < mail->share_count; ++g) {
    Share& share = mail->shares[g];
    make_jobs(share, begin, begin + share.unfinished, due, now, ready);
    begin += share.unfinished;
  }
  return mail;
}

void Backlog::make_jobs(Share& share, std::uint32_t begin, std::uint32_t end, std::span<const Monotonic> due,
                        Monotonic now, List<Job>& ready) {
  if (due.empty()) {
    ready.push_back(jobs_.make(share, begin, end));
    return;
  }
  // One job for all that are ready, and one for each time at which some are due.
  std::uint32_t* order = share.mail->order.get();
  const auto when = [&](std::uint32_t at) { return std::max(due[order[at]], now); };
  std::stable_sort(order + begin, order + end, [&](std::uint32_t a, std::uint32_t b) {
    return std::max(due[a], now) < std::max(due[b], now);
  });
  while (begin < end) {
    std::uint32_t next = begin + 1;
    while (next < end && when(next) == when(begin)) ++next;
    Job& job = jobs_.make(share, begin, next);
    if (when(begin) <= now) {
      ready.push_back(job);
    } else {
      delay(job, when(begin));
    }
    begin = next;
  }
  share.domain->file(share);
}

std::shared_ptr<Mail> Backlog::find(std::uint64_t message) const {
  const auto at = mails_.find(message);
  return at == mails_.end() ? nullptr : at->second;
}

void Backlog::remove(Mail& mail) {
  dues_.erase(mail);
  expiries_.erase(mail);
  mail.unlink();
  mails_.erase(mail.number);
}

void Backlog::delay(Job& job, Monotonic due) {
  Mail& mail = *job.share->mail;
  const bool first = job.share->delayed.empty();
  job.share->delayed.push_back(job);
  if (first && job.share->ready.empty()) job.share->domain->file(*job.share);
  mail.delayed.set(job, due);
  dues_.set(mail, mail.delayed.top_key());
}

void Backlog::undelay(Job& job) {
  Share& share = *job.share;
  Mail& mail = *share.mail;
  job.unlink();
  if (share.delayed.empty() && share.ready.empty()) share.domain->file(share);
  mail.delayed.erase(job);
  if (mail.delayed.empty()) {
    dues_.erase(mail);
  } else {
    dues_.set(mail, mail.delayed.top_key());
  }
}

Job* Backlog::due(Monotonic now) const {
  if (dues_.empty() || dues_.top_key() > now) return nullptr;
  return &dues_.top().delayed.top();
}

std::optional<Monotonic> Backlog::next_due() const {
  return dues_.empty() ? std::nullopt : std::optional(dues_.top_key());
}

Mail* Backlog::take_expired(Monotonic now) {
  if (expiries_.empty() || expiries_.top_key() > now) return nullptr;
  Mail& mail = expiries_.top();
  expiries_.erase(mail);
  return &mail;
}

std::optional<Monotonic> Backlog::next_expiry() const {
  return expiries_.empty() ? std::nullopt : std::optional(expiries_.top_key());
}

} // namespace bulkmail::agent
