#include "agent/io/spool_lock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace bulkmail::agent {
namespace {

std::unexpected<spool::Error> failed(const std::string& what) {
  return std::unexpected(spool::Error{errno, fmt::format("{}: {}", what, std::strerror(errno))});
}

} // namespace

spool::Result<SpoolLock> SpoolLock::open(const std::string& spool) {
  const std::string path = spool + "/lock";
  Descriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file.is_open()) return failed("open " + path);
  struct stat home{};
  if (stat(spool.c_str(), &home) == 0 && geteuid() == 0) {
    if (fchown(file.get(), home.st_uid, home.st_gid) != 0) return failed("chown " + path);
  }
  return SpoolLock(std::move(file));
}

spool::Result<bool> SpoolLock::try_take(Holder as) {
  if (flock(file_.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return false;
    return failed("flock");
  }
  const std::string text = fmt::format("{} {}\n", as == Holder::agent ? "agent" : "drain", getpid());
  if (ftruncate(file_.get(), 0) != 0 || pwrite(file_.get(), text.data(), text.size(), 0) < 0) {
    // A full disk: who holds the lock is not told, but it is held.
    return true;
  }
  return true;
}

SpoolLock::Holder SpoolLock::holder() const {
  std::array<char, 5> text{};
  const ssize_t count = pread(file_.get(), text.data(), text.size(), 0);
  return count == 5 && std::memcmp(text.data(), "drain", 5) == 0 ? Holder::drain : Holder::agent;
}

} // namespace bulkmail::agent
