// Which journal segments are still needed.
//
// A message pins the oldest segment with records of it, and a segment may go when neither it nor an older one is pinned,
// after a sync that began after that: whoever takes the removable ones syncs first. The newest one stays: its header has
// the numbers to go on with, and its events may not stand in results/ yet.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

namespace bulkmail::spool {

class SegmentUse {
 public:
  void add(std::uint64_t segment) { pins_.try_emplace(segment); }

  void pin(std::uint64_t segment) { ++pins_[segment]; }

  void unpin(std::uint64_t segment) { --pins_[segment]; }

  // Recovery's segments, until what they say is written anew.
  void hold_all() { held_ = pins_.empty() ? 0 : pins_.rbegin()->first; }

  void release_all() { held_ = 0; }

  // The segment is durable, and so is all that those before it say.
  void newest_is(std::uint64_t segment) { newest_ = segment; }

  [[nodiscard]] std::vector<std::uint64_t> take_removable(); // handed out once

  [[nodiscard]] bool any_removable() const { return !pins_.empty() && removable(*pins_.begin()); }

  [[nodiscard]] std::size_t count() const { return pins_.size(); }

  // The oldest that is pinned; none: no segment but the newest is.
  [[nodiscard]] std::optional<std::uint64_t> oldest_pinned() const;

 private:
  using Pins = std::map<std::uint64_t, std::uint32_t>; // few: segments are large

  [[nodiscard]] bool removable(const Pins::value_type& segment) const {
    return segment.first < newest_ && segment.first > held_ && segment.second == 0;
  }

  Pins pins_;
  std::uint64_t held_ = 0; // this one and all before it
  std::uint64_t newest_ = 0;
};

} // namespace bulkmail::spool
