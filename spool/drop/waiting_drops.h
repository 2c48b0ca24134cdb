// Drops that can't be taken yet: since when they wait, and what was said of them.
//
// A drop that has waited longer than its writer could need gets a status file that is not final, a notice; it goes
// when the drop is taken or gone.
#pragma once

#include "spool/disk.h"
#include "spool/drop/format.h"
#include "spool/drop/ids.h"

#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace bulkmail::spool {

// Left in new/; to be looked at again at `again`, or when it changes.
struct Waiting {
  enum class Why : std::uint8_t {
    incomplete,
    hard_linked,
    unreadable,
    reserved,
    error
  } why = Why::incomplete;
  Wall again;
  std::string text; // for one warning; empty: nothing to say (or said before)
  Error error;      // why == error: the disk's answer (ENOSPC and the like: claiming must pause)
};

[[nodiscard]] Stamp stamp_of(const FileInfo& info);

class WaitingDrops {
 public:
  static constexpr milliseconds incomplete_grace{60'000}; // from its mtime, for a file that ends early
  static constexpr milliseconds hard_link_grace{
      2'000};                                 // from first sight, for a writer between link and unlink
  static constexpr milliseconds retry{5'000}; // no event tells of permissions or links that were mended

  WaitingDrops(Disk& disk, Ids& ids, std::string reporting_mta);

  // None: its grace is over.
  [[nodiscard]] std::optional<Waiting> incomplete(const std::string& name, const Stamp& stamp, Wall now);
  // The very bytes that were incomplete before: there's no need to read them again.
  [[nodiscard]] bool still_incomplete(const std::string& name, const Stamp& stamp) const;
  [[nodiscard]] Waiting hard_linked(const std::string& name, std::uint64_t links, Wall now);
  [[nodiscard]] Waiting unreadable(const std::string& name, const Error& error, Wall now);

  // It was taken, refused or is gone.
  void forget(const std::string& name);
  void forget_all_but(const std::vector<std::string>& names);

 private:
  struct Seen {
    Waiting::Why why = Waiting::Why::incomplete;
    Stamp stamp; // of an incomplete one
    Wall since;
    bool told = false;    // in the log
    bool noticed = false; // in the notice
    std::string notice;   // the id whose status file that is
  };

  Seen& see(const std::string& name, Waiting::Why why, const Stamp& stamp, Wall now);
  Waiting tell(const std::string& name, Seen& seen, const DropProblem& problem, Wall now);
  [[nodiscard]] bool may_have(const std::string& id) const;
  void remove_notice(const std::string& id);

  Disk& disk_;
  Ids& ids_;
  std::string reporting_mta_;
  std::unordered_map<std::string, Seen> seen_;
};

} // namespace bulkmail::spool
