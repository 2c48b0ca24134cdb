// The narrow seam through which every blocking file operation of the program goes, so that a simulated disk can stand
// in for the real one, lose what was not synced and fail where it is told to.
//
// Paths are relative to the spool directory ("new/a"). No call follows a symbolic link in its last component. Calls may
// block; whoever calls chooses the thread. Any number of threads may call at once. EINTR never comes out.
#pragma once

#include "spool/error.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bulkmail::spool {

struct FileInfo {
  enum class Kind : std::uint8_t { regular, directory, other } kind = Kind::other;
  std::uint64_t inode = 0;
  std::uint64_t size = 0;
  std::uint64_t links = 0;
  std::int64_t mtime_ns = 0; // since the Unix epoch
};

// An open file; closes itself. read and write are whole: short counts and EINTR are dealt with inside.
class File {
 public:
  virtual ~File() = default;
  // Fewer bytes than asked for only at the end of the file.
  virtual Result<std::size_t> read_at(std::uint64_t offset, std::span<char> into) = 0;
  virtual Result<void> append(std::string_view bytes) = 0;
  // Overwrites in place; only for a file that came from create() (the kernel ignores the offset of one open to append).
  virtual Result<void> write_at(std::uint64_t offset, std::string_view bytes) = 0;
  virtual Result<void> sync_data() = 0; // fdatasync; after an error the file is never to be trusted again
  virtual Result<FileInfo> info() = 0;  // of a file from open_read: perhaps as it was when it was opened
};

class Disk {
 public:
  virtual ~Disk() = default;
  // O_NOFOLLOW; a FIFO or device is never waited for: anything not a regular file is an error (EINVAL).
  virtual Result<std::unique_ptr<File>> open_read(std::string_view path) = 0;
  // Makes a new file (O_EXCL), or with `append_to` opens or makes one to append to. Owner and group are the spool's.
  virtual Result<std::unique_ptr<File>> create(std::string_view path, unsigned mode) = 0;
  virtual Result<std::unique_ptr<File>> append_to(std::string_view path, unsigned mode) = 0;
  virtual Result<FileInfo> info(std::string_view path) = 0;                        // lstat
  virtual Result<void> rename(std::string_view from, std::string_view to) = 0;     // replaces `to`
  virtual Result<void> rename_new(std::string_view from, std::string_view to) = 0; // EEXIST if `to` is there
  virtual Result<void> remove(std::string_view path) = 0;                          // a file
  virtual Result<void> truncate(std::string_view path, std::uint64_t size) = 0;
  virtual Result<std::vector<std::string>> list(std::string_view directory) = 0; // names, without . and ..
  virtual Result<void> make_directory(std::string_view path, unsigned mode) = 0; // there already: nothing
  virtual Result<void> sync_directory(std::string_view path) = 0;
  // Everything written to this file system before the call is durable after it (syncfs).
  virtual Result<void> sync_all() = 0;

  struct Space {
    std::uint64_t bytes = 0, inodes = 0;
  };

  virtual Result<Space> free_space() = 0;
};

} // namespace bulkmail::spool
