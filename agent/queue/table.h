// A hash table of what lies in a Slab: eight bytes an entry, nothing else. Who looks something up brings the hash and says
// which of those that have it is meant.
#pragma once

#include "agent/queue/slab.h"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace bulkmail::agent {

template <class T>
class Table {
 public:
  // None: there is no such.
  template <class Match>
  [[nodiscard]] Ref<T> find(std::uint32_t hash, Match match) const {
    if (entries_.empty()) return {};
    for (std::size_t i = hash & mask(); entries_[i].ref; i = (i + 1) & mask()) {
      if (entries_[i].hash == hash && match(entries_[i].ref)) return entries_[i].ref;
    }
    return {};
  }

  // All that are meant: there may be several.
  template <class Match>
  [[nodiscard]] std::vector<Ref<T>> find_all(std::uint32_t hash, Match match) const {
    std::vector<Ref<T>> found;
    if (entries_.empty()) return found;
    for (std::size_t i = hash & mask(); entries_[i].ref; i = (i + 1) & mask()) {
      if (entries_[i].hash == hash && match(entries_[i].ref)) found.push_back(entries_[i].ref);
    }
    return found;
  }

  void insert(std::uint32_t hash, Ref<T> ref) {
    if (8 * (size_ + 1) > 7 * entries_.size()) grow();
    ++size_;
    put({hash, ref});
  }

  void erase(std::uint32_t hash, Ref<T> ref) {
    std::size_t gap = hash & mask();
    while (entries_[gap].ref != ref) gap = (gap + 1) & mask();
    --size_;
    // Those behind that could not stand nearer to their own place move up.
    for (std::size_t i = (gap + 1) & mask(); entries_[i].ref; i = (i + 1) & mask()) {
      const std::size_t home = entries_[i].hash & mask();
      if (((i - home) & mask()) < ((i - gap) & mask())) continue;
      entries_[gap] = entries_[i];
      gap = i;
    }
    entries_[gap] = {};
  }

  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  struct Entry {
    std::uint32_t hash = 0;
    Ref<T> ref;
  };

  [[nodiscard]] std::size_t mask() const { return entries_.size() - 1; }

  void put(Entry entry) {
    std::size_t i = entry.hash & mask();
    while (entries_[i].ref) i = (i + 1) & mask();
    entries_[i] = entry;
  }

  void grow() {
    constexpr std::size_t smallest = 16;
    std::vector<Entry> old(entries_.empty() ? smallest : 2 * entries_.size());
    old.swap(entries_);
    for (const Entry& entry : old) {
      if (entry.ref) put(entry);
    }
  }

  std::vector<Entry> entries_; // a power of two of them, an eighth empty at least
  std::size_t size_ = 0;
};

// Spreads a number over the bits (the finalizer of splitmix64).
[[nodiscard]] constexpr std::uint32_t hash_of(std::uint64_t number) {
  number = (number ^ (number >> 30)) * 0xbf58476d1ce4e5b9ULL;
  number = (number ^ (number >> 27)) * 0x94d049bb133111ebULL;
  return static_cast<std::uint32_t>(number ^ (number >> 31));
}

} // namespace bulkmail::agent
