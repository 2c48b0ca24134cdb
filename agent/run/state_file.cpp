#include "agent/run/state_file.h"

#include <cerrno>

namespace bulkmail::agent {

spool::Result<std::optional<std::string>> read_state(spool::Disk& disk, std::string_view name,
                                                     std::uint64_t most) {
  const auto file = disk.open_read(name);
  if (!file && file.error().code == ENOENT) return std::nullopt;
  if (!file) return std::unexpected(file.error());
  const auto info = (*file)->info();
  if (!info) return std::unexpected(info.error());
  if (info->size > most) return std::unexpected(spool::Error{EFBIG, "it is too large"});
  std::string text(info->size, '\0');
  const auto got = (*file)->read_at(0, text);
  if (!got) return std::unexpected(got.error());
  text.resize(*got);
  return text;
}

spool::Result<void> write_state(spool::Disk& disk, const std::string& name, std::string_view text) {
  const std::string fresh = name + ".new";
  auto file = disk.create(fresh, 0600);
  if (!file && file.error().code == EEXIST && disk.remove(fresh)) file = disk.create(fresh, 0600);
  if (!file) return std::unexpected(file.error());
  if (auto written = (*file)->append(text); !written) return written;
  if (auto synced = (*file)->sync_data(); !synced) return synced;
  if (auto named = disk.rename(fresh, name); !named) return named;
  return disk.sync_directory("state");
}

} // namespace bulkmail::agent
