#include "agent/queue/backlog.h"

#include <algorithm>

namespace bulkmail::agent {

std::shared_ptr<Mail> Backlog::add(Consignment consignment, Domains& domains, Monotonic now,
                                   List<Job>& ready) {
  auto mail = std::make_shared<Mail>(std::move(consignment.facts));
  mail->expires = consignment.expires;
  mail->attempt_first = consignment.attempt_first;
  mails_.emplace(mail->number, mail);
  expiries_.set(*mail, consignment.until);

  const auto facts = mail->facts.unpack();
  const spool::Envelope& envelope = facts->envelope;
  mail->one_by_one = envelope.one_by_one();
  picked_.clear();
  groups_.clear();
  ++mark_;
  const auto pick = [&](std::uint32_t recipient) {
    DomainQueue& domain = domains.find_or_make(envelope.recipient(recipient).domain);
    if (domain.mark != mark_) {
      domain.mark = mark_;
      domain.group = static_cast<std::uint32_t>(groups_.size());
      groups_.push_back({&domain, 0});
    }
    ++groups_[domain.group].count;
    picked_.push_back({recipient, domain.group});
  };
  if (consignment.recipients) {
    for (const std::uint32_t recipient : *consignment.recipients) pick(recipient);
  } else {
    for (std::uint32_t i = 0; i < envelope.size(); ++i) pick(i);
  }

  std::vector<Known> known; // of each recipient; empty: nothing was restored
  if (!consignment.restored.empty()) {
    known.assign(envelope.size(), {now, 0});
    for (const auto& restored : consignment.restored) {
      if (restored.recipient < known.size())
        known[restored.recipient] = {std::max(restored.due, now), restored.attempts};
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
    make_jobs(share, begin, begin + share.unfinished, known, now, ready);
    begin += share.unfinished;
  }
  return mail;
}

void Backlog::make_jobs(Share& share, std::uint32_t begin, std::uint32_t end, std::span<const Known> known,
                        Monotonic now, List<Job>& ready) {
  if (known.empty()) {
    ready.push_back(jobs_.make(share, begin, end));
    return;
  }
  // One job for all of whom the same is known.
  std::uint32_t* order = share.mail->order.get();
  std::stable_sort(order + begin, order + end,
                   [&](std::uint32_t a, std::uint32_t b) { return known[a] < known[b]; });
  while (begin < end) {
    const Known& first = known[order[begin]];
    std::uint32_t next = begin + 1;
    while (next < end && known[order[next]] == first) ++next;
    Job& job = jobs_.make(share, begin, next);
    job.attempts = first.attempts;
    if (first.due <= now) {
      ready.push_back(job);
    } else {
      delay(job, first.due);
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
