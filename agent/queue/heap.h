// A binary heap, smallest key first, whose elements know their place in it: any of them can leave or change its key in
// O(log n). Keys lie beside each other, so that sifting does not touch the elements but to tell them their new place.
#pragma once

#include "agent/queue/slab.h"

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace bulkmail::agent {

// Where an element keeps its place, which belongs to the heap: 0 while the element is in none.
template <class T, std::uint32_t T::* place>
struct PlaceIn {
  std::uint32_t& operator()(T* item) const { return item->*place; }
};

template <class T, std::uint32_t T::* place>
struct PlaceInSlab {
  Slab<T>* slab;

  std::uint32_t& operator()(Ref<T> item) const { return (*slab)[item].*place; }
};

// Item: a pointer or a Ref.
template <class Item, class Key, class Place>
class BasicHeap {
 public:
  explicit BasicHeap(Place place = {}) : place_(place) {}

  [[nodiscard]] bool empty() const { return items_.empty(); }

  [[nodiscard]] Item top() const { return items_.front(); }

  [[nodiscard]] const Key& top_key() const { return keys_.front(); }

  [[nodiscard]] bool contains(Item item) const { return place_(item) != 0; }

  [[nodiscard]] const Key& key(Item item) const { return keys_[place_(item) - 1]; }

  // Takes the element in, or changes its key.
  void set(Item item, const Key& key) {
    if (!contains(item)) {
      keys_.push_back(key);
      items_.push_back(item);
      rise(items_.size() - 1, key, item);
      return;
    }
    settle(place_(item) - 1, key, item);
  }

  void erase(Item item) {
    if (!contains(item)) return;
    const std::size_t at = std::exchange(place_(item), 0) - 1;
    const Key key = keys_.back();
    const Item last = items_.back();
    keys_.pop_back();
    items_.pop_back();
    if (at < items_.size()) settle(at, key, last);
  }

 private:
  void put(std::size_t at, const Key& key, Item item) {
    keys_[at] = key;
    items_[at] = item;
    place_(item) = static_cast<std::uint32_t>(at + 1);
  }

  void settle(std::size_t at, const Key& key, Item item) {
    if (rise(at, key, item) == at) sink(at, key, item);
  }

  std::size_t rise(std::size_t at, const Key key, Item item) {
    while (at > 0) {
      const std::size_t parent = (at - 1) / 2;
      if (!(key < keys_[parent])) break;
      put(at, keys_[parent], items_[parent]);
      at = parent;
    }
    put(at, key, item);
    return at;
  }

  void sink(std::size_t at, const Key key, Item item) {
    for (;;) {
      std::size_t child = 2 * at + 1;
      if (child >= items_.size()) break;
      if (child + 1 < items_.size() && keys_[child + 1] < keys_[child]) ++child;
      if (!(keys_[child] < key)) break;
      put(at, keys_[child], items_[child]);
      at = child;
    }
    put(at, key, item);
  }

  Place place_;
  std::vector<Key> keys_;
  std::vector<Item> items_;
};

template <class T, class Key, std::uint32_t T::* place>
using Heap = BasicHeap<T*, Key, PlaceIn<T, place>>;

template <class T, class Key, std::uint32_t T::* place>
using SlabHeap = BasicHeap<Ref<T>, Key, PlaceInSlab<T, place>>;

} // namespace bulkmail::agent
