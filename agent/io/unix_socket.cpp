#include "agent/io/unix_socket.h"

#include "agent/io/descriptor.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace bulkmail::agent {
namespace {

std::unexpected<spool::Error> failed(const std::string& what) {
  return std::unexpected(spool::Error{errno, fmt::format("{}: {}", what, std::strerror(errno))});
}

constexpr int backlog = 1024;

} // namespace

spool::Result<int> listen_unix(const std::string& path, const SocketRights& rights) {
  const std::size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash);
  const std::string name = path.substr(slash + 1);
  const Descriptor folder_fd(open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!folder_fd.is_open()) return failed("open " + folder);
  const int directory = folder_fd.get();

  struct stat old{};
  if (fstatat(directory, name.c_str(), &old, AT_SYMLINK_NOFOLLOW) == 0) {
    if (!S_ISSOCK(old.st_mode)) {
      errno = EEXIST;
      return failed(path + " is there and is no socket");
    }
    if (unlinkat(directory, name.c_str(), 0) != 0) return failed("unlink " + path);
  }
  // sun_path holds 107 octets: the way through /proc is short whatever the path is.
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string shortened = fmt::format("/proc/self/fd/{}/{}", directory, name);
  if (shortened.size() >= sizeof address.sun_path) {
    errno = ENAMETOOLONG;
    return failed(path);
  }
  std::memcpy(address.sun_path, shortened.c_str(), shortened.size());
  const int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (descriptor < 0) return failed("socket");
  const mode_t umask_before = umask(0177); // nobody gets in before the rights are set
  const int bound = bind(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  umask(umask_before);
  const bool ready = bound == 0 &&
                     (!(rights.uid || rights.gid) ||
                      fchownat(directory, name.c_str(), rights.uid.value_or(static_cast<uid_t>(-1)),
                               rights.gid.value_or(static_cast<gid_t>(-1)), AT_SYMLINK_NOFOLLOW) == 0) &&
                     fchmodat(directory, name.c_str(), rights.mode, 0) == 0 &&
                     listen(descriptor, backlog) == 0;
  if (!ready) {
    const auto error = failed("listen on " + path);
    close(descriptor);
    return error;
  }
  return descriptor;
}

} // namespace bulkmail::agent
