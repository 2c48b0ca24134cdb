// An array of which another thread may keep the state of a moment: copies share their blocks, and a block that is shared is
// copied when it changes. So the snapshot of 100,000 recipients costs some pointers, and a change after it one block.
//
// Each copy belongs to one thread at a time.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

namespace bulkmail::spool {

template <class Value>
class SharedBlocks {
 public:
  SharedBlocks() = default;

  explicit SharedBlocks(std::size_t size) : size_(size) {
    for (std::size_t begin = 0; begin < size; begin += block_size)
      blocks_.push_back(std::make_shared<Block>(std::min(block_size, size - begin)));
  }

  [[nodiscard]] std::size_t size() const { return size_; }

  [[nodiscard]] const Value& operator[](std::size_t index) const {
    return (*blocks_[index / block_size])[index % block_size];
  }

  // For a change; the reference holds until the next call.
  [[nodiscard]] Value& at(std::size_t index) { return own(index / block_size)[index % block_size]; }

  void push_back(Value value) {
    if (size_ % block_size == 0) blocks_.push_back(std::make_shared<Block>());
    own(size_ / block_size).push_back(std::move(value));
    ++size_;
  }

 private:
  static constexpr std::size_t block_size = 1024; // values; a copy of so many takes some microseconds

  using Block = std::vector<Value>;

  Block& own(std::size_t index) {
    std::shared_ptr<Block>& block = blocks_[index];
    if (block.use_count() != 1) block = std::make_shared<Block>(*block);
    std::atomic_thread_fence(std::memory_order_acquire); // what another thread read of it, it has read
    return *block;
  }

  std::vector<std::shared_ptr<Block>> blocks_;
  std::size_t size_ = 0;
};

} // namespace bulkmail::spool
