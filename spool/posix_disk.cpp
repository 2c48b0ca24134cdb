#include "spool/posix_disk.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <limits>
#include <optional>
#include <system_error>
#include <utility>

namespace bulkmail::spool {
namespace {

std::unexpected<Error> failed(int code, std::string_view call, std::string_view path) {
  return std::unexpected(
      Error{code, fmt::format("{} {}: {}", call, path, std::generic_category().message(code))});
}

// Calls again while a signal cuts in.
template <class Call>
auto uninterrupted(Call call) {
  auto result = call();
  while (result == -1 && errno == EINTR) result = call();
  return result;
}

// A path as the kernel wants it, without the heap. An overlong one, or one with a NUL in it, names nothing:
// "".
class KernelPath {
 public:
  explicit KernelPath(std::string_view path) {
    if (path.size() >= sizeof bytes_ || path.find('\0') != std::string_view::npos) path = "";
    std::memcpy(bytes_, path.data(), path.size());
    bytes_[path.size()] = '\0';
  }

  operator const char*() const { return bytes_; }

 private:
  char bytes_[PATH_MAX]; // not cleared: a message passes a dozen of them
};

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}

  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

  Descriptor& operator=(Descriptor&&) = delete;

  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }

  [[nodiscard]] int get() const { return fd_; }

  [[nodiscard]] int release() { return std::exchange(fd_, -1); }

  [[nodiscard]] bool open() const { return fd_ >= 0; }

 private:
  int fd_;
};

FileInfo to_info(const struct stat& found) {
  FileInfo info;
  info.kind = S_ISREG(found.st_mode)   ? FileInfo::Kind::regular
              : S_ISDIR(found.st_mode) ? FileInfo::Kind::directory
                                       : FileInfo::Kind::other;
  info.inode = found.st_ino;
  info.size = static_cast<std::uint64_t>(found.st_size);
  info.links = found.st_nlink;
  info.mtime_ns = found.st_mtim.tv_sec * 1'000'000'000 + found.st_mtim.tv_nsec;
  return info;
}

class PosixFile final : public File {
 public:
  // `end`: of a new file, which its one writer may also overwrite; none: the kernel finds the end (O_APPEND).
  PosixFile(Descriptor fd, std::string_view path, std::optional<std::uint64_t> end = {})
      : fd_(std::move(fd)),
        path_(path),
        end_(end) {}

  // Open to be read.
  PosixFile(Descriptor fd, std::string_view path, const FileInfo& opened)
      : fd_(std::move(fd)),
        path_(path),
        opened_(opened) {}

  Result<std::size_t> read_at(std::uint64_t offset, std::span<char> into) override {
    std::size_t done = 0;
    while (done < into.size()) {
      const auto got = uninterrupted([&] {
        return ::pread(fd_.get(), into.data() + done, into.size() - done, static_cast<off_t>(offset + done));
      });
      if (got < 0) return failed(errno, "read", path_);
      if (got == 0) break;
      done += static_cast<std::size_t>(got);
    }
    return done;
  }

  Result<void> append(std::string_view bytes) override {
    if (end_) return write_at(*end_, bytes);
    while (!bytes.empty()) {
      const auto put = uninterrupted([&] { return ::write(fd_.get(), bytes.data(), bytes.size()); });
      if (put < 0) return failed(errno, "write", path_);
      bytes.remove_prefix(static_cast<std::size_t>(put));
    }
    return {};
  }

  Result<void> write_at(std::uint64_t offset, std::string_view bytes) override {
    while (!bytes.empty()) {
      const auto put = uninterrupted(
          [&] { return ::pwrite(fd_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset)); });
      if (put < 0) return failed(errno, "write", path_);
      bytes.remove_prefix(static_cast<std::size_t>(put));
      offset += static_cast<std::size_t>(put);
      if (end_) end_ = std::max(*end_, offset);
    }
    return {};
  }

  Result<void> sync_data() override {
    if (uninterrupted([&] { return ::fdatasync(fd_.get()); }) != 0) return failed(errno, "fdatasync", path_);
    return {};
  }

  Result<FileInfo> info() override {
    if (opened_) return *opened_;
    struct stat found{};
    if (::fstat(fd_.get(), &found) != 0) return failed(errno, "stat", path_);
    return to_info(found);
  }

 private:
  Descriptor fd_;
  std::string path_;
  std::optional<std::uint64_t> end_;
  std::optional<FileInfo> opened_; // as it was then
};

class PosixDisk final : public Disk {
 public:
  PosixDisk(Descriptor root, const struct stat& spool) : root_(std::move(root)), spool_(spool) {
    umask_ = ::umask(0);
    ::umask(umask_);
  }

  Result<std::unique_ptr<File>> open_read(std::string_view path) override {
    Descriptor fd = open(path, O_RDONLY);
    if (!fd.open()) {
      // A symbolic link answers ELOOP, a socket ENXIO.
      return failed(errno == ELOOP || errno == ENXIO ? EINVAL : errno, "open", path);
    }
    struct stat found{};
    if (::fstat(fd.get(), &found) != 0) return failed(errno, "stat", path);
    if (!S_ISREG(found.st_mode)) return failed(EINVAL, "open", path);
    return std::make_unique<PosixFile>(std::move(fd), path, to_info(found));
  }

  Result<std::unique_ptr<File>> create(std::string_view path, unsigned mode) override {
    return make(path, mode, 0);
  }

  Result<std::unique_ptr<File>> append_to(std::string_view path, unsigned mode) override {
    for (;;) {
      Descriptor fd = open(path, O_RDWR | O_APPEND);
      if (fd.open()) {
        struct stat found{};
        if (::fstat(fd.get(), &found) != 0) return failed(errno, "stat", path);
        if (!S_ISREG(found.st_mode)) return failed(EINVAL, "open", path);
        return std::make_unique<PosixFile>(std::move(fd), path);
      }
      if (errno != ENOENT) return failed(errno == ELOOP || errno == ENXIO ? EINVAL : errno, "open", path);
      auto made = make(path, mode, O_APPEND);
      if (made || made.error().code != EEXIST) return made; // else: another was quicker
    }
  }

  Result<FileInfo> info(std::string_view path) override {
    struct stat found{};
    if (::fstatat(root_.get(), KernelPath(path), &found, AT_SYMLINK_NOFOLLOW) != 0)
      return failed(errno, "stat", path);
    return to_info(found);
  }

  Result<void> rename(std::string_view from, std::string_view to) override {
    if (::renameat(root_.get(), KernelPath(from), root_.get(), KernelPath(to)) != 0)
      return failed(errno, "rename", fmt::format("{} {}", from, to));
    return {};
  }

  Result<void> rename_new(std::string_view from, std::string_view to) override {
    const KernelPath old_path(from), new_path(to);
    if (::renameat2(root_.get(), old_path, root_.get(), new_path, RENAME_NOREPLACE) == 0) return {};
    // A file system without RENAME_NOREPLACE: link never replaces either.
    if (errno == EINVAL && ::linkat(root_.get(), old_path, root_.get(), new_path, 0) == 0 &&
        ::unlinkat(root_.get(), old_path, 0) == 0)
      return {};
    return failed(errno, "rename", fmt::format("{} {}", from, to));
  }

  Result<void> remove(std::string_view path) override {
    if (::unlinkat(root_.get(), KernelPath(path), 0) != 0) return failed(errno, "unlink", path);
    return {};
  }

  Result<void> truncate(std::string_view path, std::uint64_t size) override {
    Descriptor fd = open(path, O_WRONLY);
    if (!fd.open()) return failed(errno, "open", path);
    if (uninterrupted([&] { return ::ftruncate(fd.get(), static_cast<off_t>(size)); }) != 0)
      return failed(errno, "truncate", path);
    return {};
  }

  Result<std::vector<std::string>> list(std::string_view directory) override {
    Descriptor fd = open(directory, O_RDONLY | O_DIRECTORY);
    if (!fd.open()) return failed(errno, "open", directory);
    const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(fd.get()), ::closedir);
    if (!stream) return failed(errno, "list", directory);
    static_cast<void>(fd.release()); // the stream closes it

    std::vector<std::string> names;
    for (;;) {
      errno = 0;
      const dirent* const entry = ::readdir(stream.get());
      if (entry == nullptr) break;
      const std::string_view name = entry->d_name;
      if (name != "." && name != "..") names.emplace_back(name);
    }
    if (errno != 0) return failed(errno, "list", directory);
    return names;
  }

  Result<void> make_directory(std::string_view path, unsigned mode) override {
    if (::mkdirat(root_.get(), KernelPath(path), mode & 0777) != 0) {
      const int code = errno;
      if (code != EEXIST) return failed(code, "mkdir", path);
      const auto there = info(path);
      if (there && there->kind == FileInfo::Kind::directory) return {};
      return failed(ENOTDIR, "mkdir", path);
    }
    Descriptor fd = open(path, O_RDONLY | O_DIRECTORY);
    if (!fd.open()) return failed(errno, "open", path);
    // The owner first: a change of owner may clear the setgid bit. And mkdir knows no sticky or setgid bit.
    if (auto given = give_away(fd.get(), path); !given) return given;
    if (::fchmod(fd.get(), mode) != 0) return failed(errno, "chmod", path);
    return {};
  }

  Result<void> sync_directory(std::string_view path) override {
    Descriptor fd = open(path, O_RDONLY | O_DIRECTORY);
    if (!fd.open()) return failed(errno, "open", path);
    if (uninterrupted([&] { return ::fsync(fd.get()); }) != 0) return failed(errno, "fsync", path);
    return {};
  }

  // The root's descriptor is held open all the time, so that Linux (5.8 and later) reports through it every
  // writeback error since the last call.
  Result<void> sync_all() override {
    if (uninterrupted([&] { return ::syncfs(root_.get()); }) != 0) return failed(errno, "syncfs", ".");
    return {};
  }

  Result<Space> free_space() override {
    struct statvfs found{};
    if (uninterrupted([&] { return ::fstatvfs(root_.get(), &found); }) != 0)
      return failed(errno, "statvfs", ".");
    Space space;
    space.bytes = static_cast<std::uint64_t>(found.f_bavail) * found.f_frsize;
    // Some file systems (btrfs) have no number of inodes to run out of.
    space.inodes = found.f_files == 0 ? std::numeric_limits<std::uint64_t>::max() : found.f_favail;
    return space;
  }

 private:
  [[nodiscard]] Descriptor open(std::string_view path, int flags, unsigned mode = 0) const {
    const KernelPath kernel_path(path);
    return Descriptor(uninterrupted([&] {
      return ::openat(root_.get(), kernel_path, flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY, mode);
    }));
  }

  Result<std::unique_ptr<File>> make(std::string_view path, unsigned mode, int flags) {
    Descriptor fd = open(path, O_RDWR | O_CREAT | O_EXCL | flags, mode);
    if (!fd.open()) return failed(errno, "create", path);
    if ((mode & umask_) != 0 && ::fchmod(fd.get(), mode) != 0) return failed(errno, "chmod", path);
    if (auto given = give_away(fd.get(), path); !given) return std::unexpected(given.error());
    if ((flags & O_APPEND) != 0) return std::make_unique<PosixFile>(std::move(fd), path);
    return std::make_unique<PosixFile>(std::move(fd), path, 0);
  }

  // Every entry belongs to the spool's owner and group, whoever makes it. One who is neither root nor the
  // owner can't give files away; then the setgid bit of the directory has to do.
  [[nodiscard]] Result<void> give_away(int fd, std::string_view path) const {
    const bool owner_differs = ::geteuid() != spool_.st_uid;
    const bool group_differs = ::getegid() != spool_.st_gid;
    if (!owner_differs && !group_differs) return {};
    const uid_t owner = owner_differs ? spool_.st_uid : static_cast<uid_t>(-1);
    if (::fchown(fd, owner, spool_.st_gid) == 0 || errno == EPERM) return {};
    return failed(errno, "chown", path);
  }

  Descriptor root_;
  struct stat spool_;
  mode_t umask_;
};

} // namespace

Result<std::unique_ptr<Disk>> open_posix_disk(const std::string& root) {
  Descriptor fd(uninterrupted([&] { return ::open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); }));
  if (!fd.open()) return failed(errno, "open", root);
  struct stat found{};
  if (::fstat(fd.get(), &found) != 0) return failed(errno, "stat", root);
  return std::make_unique<PosixDisk>(std::move(fd), found);
}

} // namespace bulkmail::spool
