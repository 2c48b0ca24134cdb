// A drop's bytes as they are read: a window that slides over the file and hashes each byte once as it comes in.
//
//   while (auto more = something missing) if (!window.fill()) …the file ends here, or failure() says why…
//   window.unread()     // what is at hand
//   window.consume(n)   // done with so many of them
//
// It holds one block and what the caller leaves unread. A drop in memory is a window that sees all of it.
#pragma once

#include "spool/digest.h"
#include "spool/disk.h"

#include <memory>
#include <optional>
#include <string_view>

namespace bulkmail::spool {

class Window {
 public:
  Window(File& file, std::uint64_t file_size, std::size_t block);
  explicit Window(std::string_view whole);

  [[nodiscard]] std::string_view unread() const { return unread_; }

  [[nodiscard]] std::uint64_t offset() const { return read_ - unread_.size(); } // of unread() in the file

  void consume(std::size_t count) { unread_.remove_prefix(count); }

  // Brings in one more block behind what is unread, which may move. False: nothing more, by end or failure.
  bool fill();

  [[nodiscard]] const std::optional<Error>& failure() const { return failure_; }

  [[nodiscard]] Digest digest() { return sum_.finish(); } // of all that was read; once, at the end

 private:
  void make_room(std::size_t wanted);

  File* file_ = nullptr;
  std::uint64_t size_ = 0;
  std::uint64_t read_ = 0;
  std::size_t block_ = 0;
  std::unique_ptr<char[]> buffer_;
  std::size_t capacity_ = 0;
  std::string_view unread_;
  Sha256 sum_;
  std::optional<Error> failure_;
};

} // namespace bulkmail::spool
