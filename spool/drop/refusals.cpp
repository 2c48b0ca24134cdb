#include "spool/drop/refusals.h"

#include "spool/digest.h"
#include "spool/drop/namesakes.h"

#include <fmt/format.h>

#include <cerrno>

namespace bulkmail::spool {

std::string speaking_id(const std::string& name) {
  if (valid_id(name)) return name;
  constexpr std::size_t before_digits = sizeof "sha256:" - 1;
  return "bad-" + to_string(sha256(name)).substr(before_digits, 16);
}

Refusals::Refusals(Disk& disk, Ids& ids, std::string reporting_mta)
    : disk_(disk),
      ids_(ids),
      reporting_mta_(std::move(reporting_mta)) {}

Result<Refused> Refusals::refuse(const std::string& name, DropProblem problem, Wall now) {
  const std::string path = "new/" + name;
  const std::string first = speaking_id(name);
  const auto digest = digest_of(path);
  for (std::uint32_t n = 0;; ++n) {
    const std::string id = numbered(first, n);
    const auto free = may_have(id, digest);
    if (!free) return std::unexpected(free.error());
    if (!*free) continue;
    const std::string json =
        render_refusal(id, name, problem, true, reporting_mta_, digest ? &*digest : nullptr, now);
    ids_.statuses().add(id);
    if (const auto told = publish(id, json); !told) return std::unexpected(told.error());
    if (const auto moved = disk_.rename_new(path, "bad/" + id); !moved) {
      if (moved.error().code == EEXIST) continue;
      if (moved.error().code == ENOENT) static_cast<void>(disk_.remove(status_path(id))); // of nothing
      return std::unexpected(moved.error());
    }
    return Refused{id, name, std::move(problem)};
  }
}

// Free in cur/, bad/ and status/; or told of already, by us, before a crash.
Result<bool> Refusals::may_have(const std::string& id, const std::optional<Digest>& digest) {
  if (ids_.find(id)) return false;
  const auto kept = disk_.info("bad/" + id);
  if (kept) return false;
  if (kept.error().code != ENOENT) return std::unexpected(kept.error());
  const auto head = read_status_head(disk_, id);
  if (!head) return head.error().code == ENOENT;
  return is_notice(*head) || (head->final && digest && head->digest == to_string(*digest));
}

Result<void> Refusals::publish(const std::string& id, const std::string& json) {
  if (auto written = write_status_file(disk_, id, json); !written) return written;
  auto file = disk_.open_read(status_path(id));
  if (!file) return std::unexpected(file.error());
  if (auto synced = (*file)->sync_data(); !synced) return synced;
  return disk_.sync_directory("status");
}

std::optional<Digest> Refusals::digest_of(const std::string& path) {
  const auto file = disk_.open_read(path);
  if (!file) return std::nullopt;
  const auto info = (*file)->info();
  Sha256 sum;
  if (!info || !hash_range(**file, 0, info->size, sum)) return std::nullopt;
  return sum.finish();
}

} // namespace bulkmail::spool
