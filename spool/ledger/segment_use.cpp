#include "spool/ledger/segment_use.h"

namespace bulkmail::spool {

std::vector<std::uint64_t> SegmentUse::take_removable() {
  std::vector<std::uint64_t> taken;
  while (any_removable()) {
    taken.push_back(pins_.begin()->first);
    pins_.erase(pins_.begin());
  }
  return taken;
}

std::optional<std::uint64_t> SegmentUse::oldest_pinned() const {
  for (const auto& [segment, pins] : pins_) {
    if (segment >= newest_) break;
    if (pins != 0) return segment;
  }
  return std::nullopt;
}

} // namespace bulkmail::spool
