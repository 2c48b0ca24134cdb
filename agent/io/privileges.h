// Who the agent is: started by root it gives the spool to the configured `user` and becomes that user. Without root, or
// without such a user, it stays who it is.
#pragma once

#include "agent/config/config.h"
#include "spool/error.h"

#include <sys/types.h>

#include <optional>
#include <string>

namespace bulkmail::agent {

struct Identity {
  std::string user;
  uid_t uid = 0;
  gid_t gid = 0;
};

// The configured user and group, if this process is root's and the user exists.
[[nodiscard]] std::optional<Identity> configured_identity(const Config& config);

// A spool directory that holds no spool yet is given to the identity; one with a spool of somebody else's is refused.
[[nodiscard]] spool::Result<void> give_spool(const std::string& path, const Identity& identity);

// For good: supplementary groups, group, user.
[[nodiscard]] spool::Result<void> become(const Identity& identity);

} // namespace bulkmail::agent
