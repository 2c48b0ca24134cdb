// A listening unix socket with exactly these rights, of any path length.
#pragma once

#include "spool/error.h"

#include <sys/types.h>

#include <optional>
#include <string>

namespace bulkmail::agent {

struct SocketRights {
  mode_t mode = 0600;
  std::optional<uid_t> uid; // none: as made
  std::optional<gid_t> gid;
};

// Replaces a socket that is left there, never anything else. Answers the descriptor, listening.
[[nodiscard]] spool::Result<int> listen_unix(const std::string& path, const SocketRights& rights);

} // namespace bulkmail::agent
