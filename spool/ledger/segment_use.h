// Which journal segments are still needed, and by what.
//
// A segment may go when every message with records in it is closed, and a sync that began after their files left cur/ and
// after its events stood in results/ has finished. The newest one stays: its header has the numbers to go on with.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <vector>

namespace bulkmail::spool {

class SegmentUse {
 public:
  void add(std::uint64_t segment) { segments_.try_emplace(segment); }

  // A message has records in the segment now.
  void pin(std::uint64_t segment, std::uint64_t message);
  // No more; the segment may go with sync `sync` (counted from 1) at the earliest.
  void unpin(std::uint64_t segment, std::uint64_t sync);
  void wait_for_sync(std::uint64_t segment, std::uint64_t sync);
  // Recovery's segments, until what they say is written anew.
  void hold_all();
  void release_all(std::uint64_t sync);

  // The segment is durable: those before it may go.
  void newest_is(std::uint64_t segment) { newest_ = segment; }

  // Those that may go once sync `sync` has finished. They are handed out once.
  [[nodiscard]] std::vector<std::uint64_t> take_removable(std::uint64_t sync);
  [[nodiscard]] bool any_removable(std::uint64_t sync) const;

  [[nodiscard]] std::size_t count() const { return segments_.size(); }

  // Messages that once had records in the oldest segment, the last of them taken out; none: there is no such segment but
  // the newest, or all were given.
  [[nodiscard]] std::vector<std::uint64_t>* oldest_members();

 private:
  struct Use {
    std::uint32_t pins = 0;
    std::uint64_t sync = 0;
    std::vector<std::uint64_t> members;
  };

  [[nodiscard]] bool removable(std::uint64_t segment, const Use& use, std::uint64_t sync) const {
    return segment < newest_ && use.pins == 0 && use.sync <= sync;
  }

  std::map<std::uint64_t, Use> segments_; // few: they are large
  std::uint64_t newest_ = 0;
};

} // namespace bulkmail::spool
