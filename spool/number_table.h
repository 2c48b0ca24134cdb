// A table keyed by message numbers, which are given in ascending order: little more than its values in memory, however
// many or few of the numbers are still there.
//
// 64 numbers share a block, whose values stand close together in their order; so a value moves when a neighbour comes or
// goes: no pointer to one outlives that. find is a binary search over the blocks; insert at the end costs nothing to speak
// of, and so does erase.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace bulkmail::spool {

template <class Value>
class NumberTable {
 public:
  [[nodiscard]] std::size_t size() const { return size_; }

  [[nodiscard]] bool empty() const { return size_ == 0; }

  [[nodiscard]] bool contains(std::uint64_t number) const { return find(number) != nullptr; }

  // Null: not there.
  [[nodiscard]] const Value* find(std::uint64_t number) const {
    const auto block = block_of(number);
    if (block == blocks_.end() || block->base != base_of(number) || !block->has(number)) return nullptr;
    return &block->values[block->place(number)];
  }

  [[nodiscard]] Value* find(std::uint64_t number) {
    return const_cast<Value*>(std::as_const(*this).find(number));
  }

  // Replaces what is there.
  Value& insert(std::uint64_t number, Value value) {
    auto block = blocks_.begin() + (block_of(number) - blocks_.cbegin());
    if (block == blocks_.end() || block->base != base_of(number))
      block = blocks_.insert(block, Block{base_of(number), 0, {}});
    const auto place = static_cast<std::ptrdiff_t>(block->place(number));
    if (block->has(number)) return block->values[static_cast<std::size_t>(place)] = std::move(value);
    block->there |= bit(number);
    ++size_;
    return *block->values.insert(block->values.begin() + place, std::move(value));
  }

  // False: it was not there.
  bool erase(std::uint64_t number) {
    const auto block = blocks_.begin() + (block_of(number) - blocks_.cbegin());
    if (block == blocks_.end() || block->base != base_of(number) || !block->has(number)) return false;
    block->values.erase(block->values.begin() + static_cast<std::ptrdiff_t>(block->place(number)));
    block->there &= ~bit(number);
    --size_;
    if (block->there == 0) {
      blocks_.erase(block);
    } else if (block->values.size() <= block->values.capacity() / 4) {
      block->values.shrink_to_fit();
    }
    return true;
  }

  // Calls with each number from `from` on, ascending, and its value, until the call answers false.
  template <class Call>
  void visit(std::uint64_t from, Call call) {
    for (auto block = blocks_.begin() + (block_of(from) - blocks_.cbegin()); block != blocks_.end();
         ++block) {
      std::size_t place = 0;
      for (std::uint64_t there = block->there; there != 0; there &= there - 1, ++place) {
        const std::uint64_t number = block->base + static_cast<unsigned>(std::countr_zero(there));
        if (number >= from && !call(number, block->values[place])) return;
      }
    }
  }

  template <class Call>
  void for_each(Call call) const {
    for (const Block& block : blocks_) {
      std::size_t place = 0;
      for (std::uint64_t there = block.there; there != 0; there &= there - 1, ++place)
        call(block.base + static_cast<unsigned>(std::countr_zero(there)), block.values[place]);
    }
  }

 private:
  static constexpr std::uint64_t block_size = 64;

  static std::uint64_t base_of(std::uint64_t number) { return number & ~(block_size - 1); }

  static std::uint64_t bit(std::uint64_t number) { return std::uint64_t{1} << (number & (block_size - 1)); }

  struct Block {
    std::uint64_t base = 0;
    std::uint64_t there = 0; // a bit for each number
    std::vector<Value> values;

    [[nodiscard]] bool has(std::uint64_t number) const { return (there & bit(number)) != 0; }

    [[nodiscard]] std::size_t place(std::uint64_t number) const {
      return static_cast<std::size_t>(std::popcount(there & (bit(number) - 1)));
    }
  };

  // The first block that may have this number or a higher one.
  [[nodiscard]] auto block_of(std::uint64_t number) const {
    if (!blocks_.empty() && blocks_.back().base < base_of(number)) return blocks_.cend();
    return std::ranges::lower_bound(blocks_, base_of(number), {}, &Block::base);
  }

  std::vector<Block> blocks_; // ascending
  std::size_t size_ = 0;
};

} // namespace bulkmail::spool
