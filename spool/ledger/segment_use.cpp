#include "spool/ledger/segment_use.h"

#include <algorithm>

namespace bulkmail::spool {

void SegmentUse::pin(std::uint64_t segment, std::uint64_t message) {
  Use& use = segments_[segment];
  ++use.pins;
  use.members.push_back(message);
}

void SegmentUse::hold_all() {
  for (auto& [segment, use] : segments_) ++use.pins;
}

void SegmentUse::release_all() {
  for (auto& [segment, use] : segments_) --use.pins;
}

std::vector<std::uint64_t> SegmentUse::take_removable() {
  std::vector<std::uint64_t> taken;
  for (auto at = segments_.begin(); at != segments_.end();) {
    if (removable(at->first, at->second)) {
      taken.push_back(at->first);
      at = segments_.erase(at);
    } else {
      ++at;
    }
  }
  return taken;
}

bool SegmentUse::any_removable() const {
  return std::any_of(segments_.begin(), segments_.end(),
                     [this](const auto& entry) { return removable(entry.first, entry.second); });
}

std::vector<std::uint64_t>* SegmentUse::oldest_members() {
  for (auto& [segment, use] : segments_) {
    if (segment >= newest_) return nullptr;
    if (!use.members.empty()) return &use.members;
  }
  return nullptr;
}

} // namespace bulkmail::spool
