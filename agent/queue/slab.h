// Memory for very many small things of one kind: taken from the heap by the thousand, handed back to a free
// list.
#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>
#include <vector>

namespace bulkmail::agent {

template <class T>
class Slab {
  static_assert(std::is_trivially_destructible_v<T>, "what is left at the end is simply forgotten");

 public:
  template <class... Arguments>
  T& make(Arguments&&... arguments) {
    if (free_ == nullptr) grow();
    Cell* cell = free_;
    free_ = cell->next;
    return *new (cell->bytes) T{std::forward<Arguments>(arguments)...};
  }

  void release(T& item) {
    auto* cell = reinterpret_cast<Cell*>(&item);
    cell->next = free_;
    free_ = cell;
  }

 private:
  union Cell {
    Cell* next;
    alignas(T) std::byte bytes[sizeof(T)];
  };

  void grow() {
    constexpr std::size_t cells = 1024;
    chunks_.push_back(std::make_unique<Cell[]>(cells));
    for (std::size_t i = cells; i-- > 0;) {
      chunks_.back()[i].next = free_;
      free_ = &chunks_.back()[i];
    }
  }

  std::vector<std::unique_ptr<Cell[]>> chunks_;
  Cell* free_ = nullptr;
};

} // namespace bulkmail::agent
