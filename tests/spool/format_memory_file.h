// A file in memory that can only be read, for parsing; it can fail from some offset on.
#pragma once

#include "spool/disk.h"

#include <algorithm>
#include <cerrno>
#include <limits>
#include <string>

namespace bulkmail::spool {

class MemoryFile final : public File {
 public:
  explicit MemoryFile(std::string bytes) : bytes_(std::move(bytes)) {}

  void fail_behind(std::uint64_t offset) { good_ = offset; }

  [[nodiscard]] std::size_t largest_read() const { return largest_read_; }

  Result<std::size_t> read_at(std::uint64_t offset, std::span<char> into) override {
    if (offset + into.size() > good_) return std::unexpected(Error{EIO, "read: Input/output error"});
    largest_read_ = std::max(largest_read_, into.size());
    return offset >= bytes_.size() ? 0 : bytes_.copy(into.data(), into.size(), offset);
  }

  Result<void> append(std::string_view) override { return std::unexpected(Error{EBADF, "append"}); }

  Result<void> write_at(std::uint64_t, std::string_view) override {
    return std::unexpected(Error{EBADF, "write"});
  }

  Result<void> sync_data() override { return {}; }

  Result<FileInfo> info() override { return FileInfo{FileInfo::Kind::regular, 1, bytes_.size(), 1, 0}; }

 private:
  std::string bytes_;
  std::uint64_t good_ = std::numeric_limits<std::uint64_t>::max();
  std::size_t largest_read_ = 0;
};

} // namespace bulkmail::spool
