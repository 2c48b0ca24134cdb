#include "spool/ledger/segment_use.h"

#include <algorithm>

namespace bulkmail::spool {

void SegmentUse::pin(std::uint64_t segment, std::uint64_t message) {
  Use& use = segments_[segment];
  ++use.pins;
  use.members.push_back(message);
}

void SegmentUse::unpin(std::uint64_t segment, std::uint64_t sync) {
  --segments_[segment].pins;
  wait_for_sync(segment, sync);
}

void SegmentUse::wait_for_sync(std::uint64_t segment, std::uint64_t sync) {
  Use& use = segments_[segment];
  use.sync = std::max(use.sync, sync);
}

void SegmentUse::hold_all() {
  for (auto& [segment, use] : segments_) ++use.pins;
}

void SegmentUse::release_all(std::uint64_t sync) {
  for (auto& [segment, use] : segments_) {
    --use.pins;
    use.sync = std::max(use.sync, sync);
  }
}

std::vector<std::uint64_t> SegmentUse::take_removable(std::uint64_t sync) {
  std::vector<std::uint64_t> taken;
  for (auto at = segments_.begin(); at != segments_.end();) {
    if (removable(at->first, at->second, sync)) {
      taken.push_back(at->first);
      at = segments_.erase(at);
    } else {
      ++at;
    }
  }
  return taken;
}

bool SegmentUse::any_removable(std::uint64_t sync) const {
  return std::any_of(segments_.begin(), segments_.end(),
                     [&](const auto& entry) { return removable(entry.first, entry.second, sync); });
}

std::vector<std::uint64_t>* SegmentUse::oldest_members() {
  for (auto& [segment, use] : segments_) {
    if (segment >= newest_) return nullptr;
    if (!use.members.empty()) return &use.members;
  }
  return nullptr;
}

} // namespace bulkmail::spool
