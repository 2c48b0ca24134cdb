// A small file in state/, read and replaced as a whole. Blocking.
#pragma once

#include "spool/disk.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace bulkmail::agent {

// None: there is no such file. Larger than `most` is an error: it was not written by us.
[[nodiscard]] spool::Result<std::optional<std::string>> read_state(spool::Disk& disk, std::string_view name,
                                                                   std::uint64_t most);
// Durable when it returns; a crash finds the old one or the new one whole.
[[nodiscard]] spool::Result<void> write_state(spool::Disk& disk, const std::string& name,
                                              std::string_view text);

} // namespace bulkmail::agent
