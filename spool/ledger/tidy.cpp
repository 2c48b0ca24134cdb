#include "spool/ledger/tidy.h"

#include "spool/status/results.h"

#include <string>
#include <string_view>

namespace bulkmail::spool {
namespace {

constexpr std::string_view json = ".json";
constexpr std::string_view temporary = ".tmp";
constexpr milliseconds temporary_keep{3'600'000};        // one of a crash; a live one lasts milliseconds
constexpr milliseconds composing_keep{36LL * 3'600'000}; // of writers that died; as long as qmail gives them

} // namespace

void TidyJob::run() {
  if (const auto names = disk_.list("status")) {
    for (const std::string& name : *names) {
      const std::string path = "status/" + name;
      const bool half_written = name.starts_with('.') && name.ends_with(temporary);
      if (half_written && older_than(path, temporary_keep)) static_cast<void>(disk_.remove(path));
      if (half_written || !name.ends_with(json)) continue;
      // A message that is still in the queue keeps its status, however seldom it is tried.
      if (!ids_.find(name.substr(0, name.size() - json.size())) && older_than(path, config_->status_keep))
        static_cast<void>(disk_.remove(path));
    }
  }
  if (const auto names = disk_.list("tmp")) {
    for (const std::string& name : *names) {
      if (older_than("tmp/" + name, composing_keep)) static_cast<void>(disk_.remove("tmp/" + name));
    }
  }
  if (const auto names = disk_.list("results")) {
    for (const std::string& name : *names) {
      const std::string path = "results/" + name;
      if (is_rotated_results(name) && older_than(path, config_->results_keep))
        static_cast<void>(disk_.remove(path));
    }
  }
}

bool TidyJob::older_than(const std::string& path, milliseconds keep) {
  const auto info = disk_.info(path);
  if (!info || info->kind != FileInfo::Kind::regular) return false;
  const Wall changed(std::chrono::floor<milliseconds>(std::chrono::nanoseconds(info->mtime_ns)));
  return changed + keep < now_;
}

} // namespace bulkmail::spool
