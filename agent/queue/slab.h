// Memory for very many small things of one kind, each known by a number of 32 bits: half of what a pointer takes, and a
// queue is mostly made of such. They are taken from the heap by the thousand and do not move.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>
#include <vector>

namespace bulkmail::agent {

template <class T>
struct Ref {
  std::uint32_t at = 0; // 0: none

  explicit operator bool() const { return at != 0; }

  bool operator==(const Ref&) const = default;
};

// What owns something must be found again to be destroyed; of the rest hardly anybody needs to know which are alive.
template <class T, bool kept_track_of = !std::is_trivially_destructible_v<T>>
class Slab {
 public:
  Slab() = default;
  Slab(const Slab&) = delete;
  Slab& operator=(const Slab&) = delete;

  ~Slab() {
    if constexpr (kept_track_of) {
      for (Ref<T> ref = first(); ref; ref = after(ref)) (*this)[ref].~T();
    }
  }

  template <class... Arguments>
  Ref<T> make(Arguments&&... arguments) {
    std::uint32_t at = free_;
    if (at != 0) {
      free_ = cell(at).next_free;
    } else {
      at = ++used_;
      if (at >> bits == chunks_.size()) chunks_.push_back(std::make_unique<Cell[]>(1U << bits));
    }
    new (&cell(at).item) T{std::forward<Arguments>(arguments)...};
    if constexpr (kept_track_of) {
      if (alive_.size() <= at) alive_.resize(at + 1);
      alive_[at] = true;
    }
    return {at};
  }

  void release(Ref<T> ref) {
    Cell& freed = cell(ref.at);
    freed.item.~T();
    freed.next_free = std::exchange(free_, ref.at);
    if constexpr (kept_track_of) alive_[ref.at] = false;
  }

  [[nodiscard]] T& operator[](Ref<T> ref) { return cell(ref.at).item; }

  [[nodiscard]] const T& operator[](Ref<T> ref) const {
    return chunks_[ref.at >> bits][ref.at & ((1U << bits) - 1)].item;
  }

  // All that are alive, in no order that means anything; what is made meanwhile may be missed.
  [[nodiscard]] Ref<T> first() const { return after({}); }

  [[nodiscard]] Ref<T> after(Ref<T> ref) const
    requires kept_track_of
  {
    for (std::uint32_t at = ref.at + 1; at < alive_.size(); ++at) {
      if (alive_[at]) return {at};
    }
    return {};
  }

  // Whether a number that comes from outside is one.
  [[nodiscard]] bool alive(Ref<T> ref) const
    requires kept_track_of
  {
    return ref.at < alive_.size() && alive_[ref.at];
  }

 private:
  static constexpr unsigned bits = 10; // of the place in a chunk

  union Cell {
    Cell() {} // what is in it says the free list

    ~Cell() {}

    std::uint32_t next_free;
    T item;
  };

  [[nodiscard]] Cell& cell(std::uint32_t at) { return chunks_[at >> bits][at & ((1U << bits) - 1)]; }

  std::vector<std::unique_ptr<Cell[]>> chunks_;
  std::vector<bool> alive_;
  std::uint32_t used_ = 0; // cells ever used; the first of all stays empty
  std::uint32_t free_ = 0;
};

} // namespace bulkmail::agent
