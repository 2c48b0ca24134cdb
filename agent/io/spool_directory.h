// The spool as every command finds it: made if it isn't there, whoever comes first.
#pragma once

#include "agent/config/config.h"
#include "spool/disk.h"

#include <memory>

namespace bulkmail::agent {

// Makes the spool directory (its parent must be there) and its folders where missing. Started by root it belongs to the
// configured user and group, if they exist.
[[nodiscard]] spool::Result<std::unique_ptr<spool::Disk>> open_spool(const Config& config);

} // namespace bulkmail::agent
