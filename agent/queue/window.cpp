#include "agent/queue/window.h"

#include <algorithm>

namespace bulkmail::agent {

Window::Window(std::uint32_t limit) : limit_(std::max(limit, 1U)) {}

void Window::established() { proven_ = true; }

void Window::completed() {
  if (size_ >= limit_) return;
  if (cautious_ && ++credit_ < size_) return;
  credit_ = 0;
  ++size_;
}

void Window::refused(std::uint32_t live_sessions) {
  size_ = std::clamp(live_sessions, 1U, size_);
  cautious_ = true;
  credit_ = 0;
}

void Window::outage() {
  size_ = 1;
  credit_ = 0;
  cautious_ = false;
  proven_ = false;
}

void Window::set_limit(std::uint32_t limit) {
  limit_ = std::max(limit, 1U);
  size_ = std::min(size_, limit_);
}

} // namespace bulkmail::agent
