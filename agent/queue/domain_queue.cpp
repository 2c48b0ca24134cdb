#include "agent/queue/domain_queue.h"

namespace bulkmail::agent {

void DomainQueue::file(Share& share) {
  share.unlink();
  if (!share.ready.empty()) {
    turns.push_back(share);
  } else if (!share.delayed.empty()) {
    parked.push_back(share);
  }
}

void DomainQueue::push_back(Job& job) {
  Share& share = *job.share;
  const bool has_turn = !share.ready.empty();
  share.ready.push_back(job);
  waiting += job.size();
  if (!has_turn) file(share);
}

void DomainQueue::push_front(Job& job) {
  Share& share = *job.share;
  share.ready.push_front(job);
  waiting += job.size();
  share.unlink();
  turns.push_front(share);
}

void DomainQueue::remove(Job& job) {
  job.unlink();
  waiting -= job.size();
  if (job.share->ready.empty()) file(*job.share);
}

std::uint32_t DomainQueue::take(std::uint32_t limit, Slab<Job>& jobs, List<Job>& taken) {
  Share& share = turns.front();
  std::uint32_t count = 0;
  while (count < limit && !share.ready.empty()) {
    Job& job = share.ready.front();
    const std::uint32_t room = limit - count;
    if (job.size() <= room) {
      job.unlink();
      taken.push_back(job);
      count += job.size();
    } else {
      taken.push_back(split(job, room, jobs));
      count += room;
    }
  }
  waiting -= count;
  fresh_until = {};
  file(share);
  return count;
}

} // namespace bulkmail::agent
