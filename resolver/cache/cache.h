// Answers by question, each for as long as it may be used and no longer. Bounded: when it is full the clock
// hand clears what has expired or was not used since it last came by (second chance), so that a hot answer
// stays.
#pragma once

#include "resolver/answer/answer.h"
#include "resolver/wire/question.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

namespace bulkmail::resolver {

class Cache {
 public:
  explicit Cache(std::size_t capacity) : capacity_(capacity) {}

  // Null: not known, or not any more.
  [[nodiscard]] std::shared_ptr<const Answer> find(const Question& question, Monotonic now);
  void put(const Question& question, std::shared_ptr<const Answer> answer, Monotonic now);

  [[nodiscard]] std::size_t size() const { return index_.size(); }

 private:
  struct Slot {
    const Question* question = nullptr; // the key in index_; null: free
    std::shared_ptr<const Answer> answer;
    bool used = false;
  };

  std::uint32_t free_slot(Monotonic now);

  std::size_t capacity_;
  std::unordered_map<Question, std::uint32_t, QuestionHash> index_;
  std::vector<Slot> slots_;
  std::vector<std::uint32_t> free_;
  std::size_t hand_ = 0;
};

} // namespace bulkmail::resolver
