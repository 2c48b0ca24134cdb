#include "agent/io/privileges.h"

#include "spool/layout.h"

#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace bulkmail::agent {
namespace {

std::unexpected<spool::Error> failed(const std::string& what) {
  return std::unexpected(spool::Error{errno, fmt::format("{}: {}", what, std::strerror(errno))});
}

} // namespace

std::optional<Identity> configured_identity(const Config& config) {
  if (geteuid() != 0 || config.user.empty()) return std::nullopt;
  const passwd* user = getpwnam(config.user.c_str());
  if (user == nullptr) return std::nullopt;
  Identity identity{config.user, user->pw_uid, user->pw_gid};
  if (const group* named = getgrnam(config.group.c_str()); named != nullptr) identity.gid = named->gr_gid;
  return identity;
}

spool::Result<void> give_spool(const std::string& path, const Identity& identity) {
  struct stat info{};
  if (stat(path.c_str(), &info) != 0) {
    if (errno == ENOENT) return {}; // it will be made for the identity
    return failed("stat " + path);
  }
  if (info.st_uid == identity.uid) return {};
  if (access((path + "/new").c_str(), F_OK) == 0) {
    return std::unexpected(spool::Error{
        EPERM,
        fmt::format("{} belongs to uid {}, not to {} (uid {}): chown -R it, or set `user` to its owner", path,
                    info.st_uid, identity.user, identity.uid)});
  }
  if (chown(path.c_str(), identity.uid, identity.gid) != 0) return failed("chown " + path);
  if (chmod(path.c_str(), spool::spool_mode) != 0) return failed("chmod " + path);
  return {};
}

spool::Result<void> become(const Identity& identity) {
  if (initgroups(identity.user.c_str(), identity.gid) != 0) return failed("initgroups " + identity.user);
  if (setgid(identity.gid) != 0) return failed("setgid");
  if (setuid(identity.uid) != 0) return failed("setuid " + identity.user);
  return {};
}

} // namespace bulkmail::agent
