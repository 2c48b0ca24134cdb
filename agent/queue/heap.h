// A binary heap, smallest key first, whose elements know their place in it: any of them can leave or change
// its key in O(log n). Keys lie beside the pointers, so that sifting does not touch the elements but to tell
// them their new place.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace bulkmail::agent {

// `place` is a member of T that belongs to the heap: 0 while the element is in none.
template <class T, class Key, std::uint32_t T::* place>
class Heap {
 public:
  [[nodiscard]] bool empty() const { return entries_.empty(); }

  [[nodiscard]] std::size_t size() const { return entries_.size(); }

  [[nodiscard]] T& top() const { return *entries_.front().item; }

  [[nodiscard]] const Key& top_key() const { return entries_.front().key; }

  [[nodiscard]] static bool contains(const T& item) { return item.*place != 0; }

  // Takes the element in, or changes its key.
  void set(T& item, const Key& key) {
    if (!contains(item)) {
      entries_.push_back({key, &item});
      item.*place = static_cast<std::uint32_t>(entries_.size());
      rise(entries_.size() - 1);
      return;
    }
    const std::size_t at = index(item);
    entries_[at].key = key;
    settle(at);
  }

  void erase(T& item) {
    if (!contains(item)) return;
    const std::size_t at = index(item);
    item.*place = 0;
    const Entry last = entries_.back();
    entries_.pop_back();
    if (at == entries_.size()) return;
    put(at, last);
    settle(at);
  }

 private:
  struct Entry {
    Key key;
    T* item;
  };

  static std::size_t index(const T& item) { return item.*place - 1; }

  void put(std::size_t at, const Entry& entry) {
    entries_[at] = entry;
    entry.item->*place = static_cast<std::uint32_t>(at + 1);
  }

  void settle(std::size_t at) {
    if (rise(at) == at) sink(at);
  }

  std::size_t rise(std::size_t at) {
    const Entry entry = entries_[at];
    while (at > 0) {
      const std::size_t parent = (at - 1) / 2;
      if (!(entry.key < entries_[parent].key)) break;
      put(at, entries_[parent]);
      at = parent;
    }
    put(at, entry);
    return at;
  }

  void sink(std::size_t at) {
    const Entry entry = entries_[at];
    for (;;) {
      std::size_t child = 2 * at + 1;
      if (child >= entries_.size()) break;
      if (child + 1 < entries_.size() && entries_[child + 1].key < entries_[child].key) ++child;
      if (!(entries_[child].key < entry.key)) break;
      put(at, entries_[child]);
      at = child;
    }
    put(at, entry);
  }

  std::vector<Entry> entries_;
};

} // namespace bulkmail::agent
