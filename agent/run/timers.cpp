#include "agent/run/timers.h"

#include <algorithm>

namespace bulkmail::agent {

Timers::Alarm::Alarm(Timers& timers, std::function<void()> ring) : timers_(timers), ring_(std::move(ring)) {
  if (timers_.free_.empty()) {
    slot_ = static_cast<std::uint32_t>(timers_.slots_.size());
    timers_.slots_.emplace_back();
  } else {
    slot_ = timers_.free_.back();
    timers_.free_.pop_back();
  }
  timers_.slots_[slot_].alarm = this;
}

Timers::Alarm::~Alarm() {
  auto& slot = timers_.slots_[slot_];
  slot.alarm = nullptr;
  ++slot.generation; // whatever the heap still has of it is void
  timers_.free_.push_back(slot_);
}

void Timers::Alarm::set(std::optional<Monotonic> at) {
  wanted_ = at;
  if (at && (!entered_ || *at < *entered_)) timers_.enter(*this, *at);
}

void Timers::enter(Alarm& alarm, Monotonic at) {
  alarm.entered_ = at;
  heap_.push_back({at, alarm.slot_, slots_[alarm.slot_].generation});
  std::push_heap(heap_.begin(), heap_.end(), later);
}

void Timers::advance(Monotonic now) {
  while (!heap_.empty() && heap_.front().at <= now) {
    const Entry entry = heap_.front();
    std::pop_heap(heap_.begin(), heap_.end(), later);
    heap_.pop_back();
    const auto& slot = slots_[entry.slot];
    if (slot.generation != entry.generation || slot.alarm == nullptr) continue;
    Alarm& alarm = *slot.alarm;
    if (alarm.entered_ != entry.at) continue; // an earlier entry took its place
    alarm.entered_.reset();
    if (!alarm.wanted_) continue;
    if (*alarm.wanted_ > now) {
      enter(alarm, *alarm.wanted_);
      continue;
    }
    alarm.wanted_.reset();
    const auto ring = alarm.ring_; // the alarm may be destroyed by it
    ring();
  }
}

std::optional<Monotonic> Timers::deadline() const {
  if (heap_.empty()) return std::nullopt;
  return heap_.front().at;
}

} // namespace bulkmail::agent
