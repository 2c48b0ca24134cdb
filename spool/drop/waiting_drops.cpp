#include "spool/drop/waiting_drops.h"

#include "spool/drop/namesakes.h"
#include "spool/drop/refusals.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <unordered_set>
#include <utility>

namespace bulkmail::spool {

Stamp stamp_of(const FileInfo& info) { return {info.inode, info.mtime_ns, info.size}; }

WaitingDrops::WaitingDrops(Disk& disk, Ids& ids, std::string reporting_mta)
    : disk_(disk),
      ids_(ids),
      reporting_mta_(std::move(reporting_mta)) {}

std::optional<Waiting> WaitingDrops::incomplete(const std::string& name, const Stamp& stamp, Wall now) {
  const Seen& seen = see(name, Waiting::Why::incomplete, stamp, now);
  const Wall modified{std::chrono::floor<milliseconds>(std::chrono::nanoseconds(stamp.mtime_ns))};
  // A time of modification in the future, of a writer whose clock is wrong, holds nothing up.
  const Wall deadline = std::min(modified, seen.since) + incomplete_grace;
  if (now >= deadline) return std::nullopt;
  return Waiting{Waiting::Why::incomplete, deadline, {}, {}};
}

bool WaitingDrops::still_incomplete(const std::string& name, const Stamp& stamp) const {
  const auto seen = seen_.find(name);
  return seen != seen_.end() && seen->second.why == Waiting::Why::incomplete && seen->second.stamp == stamp;
}

Waiting WaitingDrops::hard_linked(const std::string& name, std::uint64_t links, Wall now) {
  Seen& seen = see(name, Waiting::Why::hard_linked, {}, now);
  const Wall patient = seen.since + hard_link_grace;
  if (now < patient) return {Waiting::Why::hard_linked, patient, {}, {}};
  return tell(name, seen,
              {DropProblem::Kind::incomplete, "hard-linked",
               fmt::format("the file has {} links; it is taken when only the one in new/ is left", links), 0},
              now);
}

Waiting WaitingDrops::unreadable(const std::string& name, const Error& error, Wall now) {
  return tell(name, see(name, Waiting::Why::unreadable, {}, now),
              {DropProblem::Kind::unreadable, "unreadable",
               fmt::format("the file can't be read and moved ({}); it is taken when it can", error.text), 0},
              now);
}

void WaitingDrops::forget(const std::string& name) {
  if (seen_.empty()) return;
  const auto seen = seen_.find(name);
  if (seen == seen_.end()) return;
  if (!seen->second.notice.empty()) remove_notice(seen->second.notice);
  seen_.erase(seen);
}

void WaitingDrops::forget_all_but(const std::vector<std::string>& names) {
  if (seen_.empty()) return;
  const std::unordered_set<std::string_view> there(names.begin(), names.end());
  std::vector<std::string> gone;
  for (const auto& [name, seen] : seen_)
    if (!there.contains(name)) gone.push_back(name);
  for (const std::string& name : gone) forget(name);
}

WaitingDrops::Seen& WaitingDrops::see(const std::string& name, Waiting::Why why, const Stamp& stamp,
                                      Wall now) {
  Seen& seen = seen_.try_emplace(name, Seen{why, stamp, now, false, false, {}}).first->second;
  if (seen.why != why || seen.stamp != stamp) seen = {why, stamp, now, false, false, std::move(seen.notice)};
  return seen;
}

// Says so once, in one text for the log and in a notice.
Waiting WaitingDrops::tell(const std::string& name, Seen& seen, const DropProblem& problem, Wall now) {
  Waiting waiting{seen.why, now + retry, {}, {}};
  if (!std::exchange(seen.told, true)) waiting.text = problem.text;
  if (seen.noticed) return waiting;
  for (std::uint32_t n = 0; seen.notice.empty(); ++n)
    if (std::string id = numbered(speaking_id(name), n); may_have(id)) seen.notice = std::move(id);
  // Where the disk refuses, the next look at the drop tries again.
  seen.noticed =
      write_status_file(disk_, seen.notice,
                        render_refusal(seen.notice, name, problem, false, reporting_mta_, nullptr, now))
          .has_value();
  return waiting;
}

bool WaitingDrops::may_have(const std::string& id) const {
  if (ids_.find(id)) return false;
  const auto head = read_status_head(disk_, id);
  return head ? is_notice(*head) : head.error().code == ENOENT;
}

void WaitingDrops::remove_notice(const std::string& id) {
  const auto head = read_status_head(disk_, id);
  if (head && is_notice(*head)) static_cast<void>(disk_.remove(status_path(id)));
}

} // namespace bulkmail::spool
