// Which journal segments are still needed, and by what.
//
// A segment may go when every message with records in it is closed, after a sync that began after that: whoever takes the
// removable ones syncs first. The newest one stays: its header has the numbers to go on with, and its events may not stand in
// results/ yet.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

namespace bulkmail::spool {

class SegmentUse {
 public:
  void add(std::uint64_t segment) { segments_.try_emplace(segment); }

  void pin(std::uint64_t segment, std::uint64_t message); // a message has records in the segment now

  void unpin(std::uint64_t segment) { --segments_[segment].pins; }

  // Recovery's segments, until what they say is written anew.
  void hold_all();
  void release_all();

  // The segment is durable, and so is all that those before it say.
  void newest_is(std::uint64_t segment) { newest_ = segment; }

  [[nodiscard]] std::vector<std::uint64_t> take_removable(); // handed out once
  [[nodiscard]] bool any_removable() const;

  [[nodiscard]] std::size_t count() const { return segments_.size(); }

  // Of the oldest segment in which messages may still have records: these, for the caller to take some out. None: no
  // segment but the newest.
  [[nodiscard]] std::vector<std::uint64_t>* oldest_members();

 private:
  struct Use {
    std::uint32_t pins = 0;
    std::vector<std::uint64_t> members; // messages, once; some may be closed
  };

  [[nodiscard]] bool removable(std::uint64_t segment, const Use& use) const {
    return segment < newest_ && use.pins == 0;
  }

  std::map<std::uint64_t, Use> segments_; // few: they are large
  std::uint64_t newest_ = 0;
};

} // namespace bulkmail::spool
