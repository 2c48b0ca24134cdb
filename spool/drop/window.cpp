#include "spool/drop/window.h"

#include <algorithm>
#include <cstring>

namespace bulkmail::spool {

Window::Window(File& file, std::uint64_t file_size, std::size_t block)
    : file_(&file),
      size_(file_size),
      block_(block) {}

Window::Window(std::string_view whole) : size_(whole.size()), read_(whole.size()), unread_(whole) {
  sum_.update(whole);
}

bool Window::fill() {
  if (read_ == size_ || failure_) return false;
  const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(block_, size_ - read_));
  make_room(wanted);
  char* const behind = buffer_.get() + unread_.size();
  const auto got = file_->read_at(read_, {behind, wanted});
  if (!got) {
    failure_ = got.error();
    return false;
  }
  sum_.update({behind, *got});
  read_ += *got;
  if (*got < wanted) size_ = read_; // shorter than it was said to be: it ends here
  unread_ = {buffer_.get(), unread_.size() + *got};
  return *got > 0;
}

// Moves what is unread to the front, into a larger buffer if need be.
void Window::make_room(std::size_t wanted) {
  const std::size_t needed = unread_.size() + wanted;
  if (needed <= capacity_) {
    std::memmove(buffer_.get(), unread_.data(), unread_.size());
    return;
  }
  const std::size_t capacity = capacity_ == 0 ? needed : std::max(needed, 2 * capacity_);
  auto larger = std::make_unique_for_overwrite<char[]>(capacity);
  if (!unread_.empty()) std::memcpy(larger.get(), unread_.data(), unread_.size());
  buffer_ = std::move(larger);
  capacity_ = capacity;
}

} // namespace bulkmail::spool
