#include "agent/io/spool_directory.h"

#include "agent/io/privileges.h"
#include "spool/layout.h"
#include "spool/posix_disk.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace bulkmail::agent {
namespace {

spool::Error failed(std::string_view call, const std::string& path) {
  const int code = errno;
  return {code, fmt::format("{} {}: {}", call, path, std::generic_category().message(code))};
}

// Under another name first, so that nobody meets it half made.
spool::Result<void> make_directory(const Config& config) {
  const std::string& path = config.spool.path;
  std::string made = path;
  while (made.size() > 1 && made.ends_with('/')) made.pop_back();
  made += fmt::format(".{}.tmp", ::getpid());
  if (::mkdir(made.c_str(), 0700) != 0) return std::unexpected(failed("mkdir", path));
  // The owner first: a change of owner may clear the setgid bit.
  const auto identity = configured_identity(config);
  const uid_t owner = identity ? identity->uid : static_cast<uid_t>(-1);
  const gid_t group_id = identity ? identity->gid : static_cast<gid_t>(-1);
  spool::Result<void> done;
  if (::chown(made.c_str(), owner, group_id) != 0)
    done = std::unexpected(failed("chown", path));
  else if (::chmod(made.c_str(), spool::spool_mode) != 0)
    done = std::unexpected(failed("chmod", path));
  // EEXIST, ENOTEMPTY: another command was faster.
  else if (::rename(made.c_str(), path.c_str()) != 0 && errno != EEXIST && errno != ENOTEMPTY)
    done = std::unexpected(failed("rename", path));
  ::rmdir(made.c_str());
  return done;
}

// Asks ext4 to keep the folders apart, which it else lays side by side. What is removed from cur/ leaves holes in the table of
// inodes that a search for a new one in status/ would have to pass, dearly where there is no journal: such a file system
// doesn't use them again for a minute. Only what is made from now on is placed so; other file systems refuse.
void keep_folders_apart(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  int flags = 0;
  if (::ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0) {
    flags |= FS_TOPDIR_FL;
    static_cast<void>(::ioctl(fd, FS_IOC_SETFLAGS, &flags));
  }
  ::close(fd);
}

} // namespace

spool::Result<std::unique_ptr<spool::Disk>> open_spool(const Config& config) {
  auto disk = spool::open_posix_disk(config.spool.path);
  if (!disk && disk.error().code == ENOENT) {
    if (auto made = make_directory(config); !made) return std::unexpected(made.error());
    disk = spool::open_posix_disk(config.spool.path);
  }
  if (!disk) return disk;
  if (!(*disk)->info("status")) keep_folders_apart(config.spool.path);
  if (auto laid = spool::make_spool_layout(**disk); !laid) return std::unexpected(laid.error());
  return disk;
}

} // namespace bulkmail::agent
