#include "resolver/cache/cache.h"

#include <utility>

namespace bulkmail::resolver {

std::shared_ptr<const Answer> Cache::find(const Question& question, Monotonic now) {
  const auto found = index_.find(question);
  if (found == index_.end()) return nullptr;
  const std::uint32_t number = found->second;
  Slot& slot = slots_[number];
  if (slot.answer->expires <= now) {
    index_.erase(found);
    slot = Slot{};
    free_.push_back(number);
    return nullptr;
  }
  slot.used = true;
  return slot.answer;
}

void Cache::put(const Question& question, std::shared_ptr<const Answer> answer, Monotonic now) {
  if (capacity_ == 0 || !answer->cacheable || answer->expires <= now) return;
  if (const auto known = index_.find(question); known != index_.end()) {
    slots_[known->second].answer = std::move(answer);
    return;
  }
  const std::uint32_t number = free_slot(now);
  const auto added = index_.emplace(question, number).first;
  slots_[number] = Slot{&added->first, std::move(answer), false};
}

std::uint32_t Cache::free_slot(Monotonic now) {
  if (!free_.empty()) {
    const std::uint32_t number = free_.back();
    free_.pop_back();
    return number;
  }
  if (slots_.size() < capacity_) {
    slots_.emplace_back();
    return static_cast<std::uint32_t>(slots_.size() - 1);
  }
  for (;; hand_ = (hand_ + 1) % slots_.size()) { // every slot is taken: two rounds at most
    Slot& slot = slots_[hand_];
    if (std::exchange(slot.used, false) && slot.answer->expires > now) continue;
    const auto number = static_cast<std::uint32_t>(hand_);
    hand_ = (hand_ + 1) % slots_.size();
    index_.erase(index_.find(*slot.question));
    return number;
  }
}

} // namespace bulkmail::resolver
