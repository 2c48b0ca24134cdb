// Turns a name in new/ into a claimed message in cur/, or says why not (contract §1, §2, §6; faults 5, 18 to 28).
//
// The dropped file itself is the backup copy: it is moved by rename, never copied, never deleted here unless the very same
// bytes are already taken. Works on one thread at a time; blocking, so it runs off the loop.
//
//   Claimer claimer(disk, ids, policy);
//   for (auto& name : *claimer.names())            // a rescan; or the names that events told of
//     std::visit(..., claimer.claim(name, now));   // Claimed, Refused, Waiting, Ignored
#pragma once

#include "spool/disk.h"
#include "spool/drop/format.h"
#include "spool/message.h"

#include <atomic>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

namespace bulkmail::spool {

// Which ids are in use by messages in cur/, and with what bytes; shared by claim, intake and closing. Thread-safe.
class Ids {
 public:
  // The digest under which `id` is taken by a message not yet closed; none: free.
  [[nodiscard]] std::optional<Digest> find(const std::string& id) const;
  void take(const std::string& id, const Digest& digest);
  void release(const std::string& id);
  // A name an intake is still writing to new/: claim leaves it alone until it is unreserved.
  void reserve(const std::string& name);
  void unreserve(const std::string& name);
  [[nodiscard]] bool reserved(const std::string& name) const;
  [[nodiscard]] std::uint64_t next_number() { return number_.fetch_add(1); }
  void start_numbers_at(std::uint64_t number) { number_ = number; }

 private:
  mutable std::mutex mutex_;
  std::unordered_map<std::string, Digest> taken_;
  std::set<std::string> reserved_;
  std::atomic<std::uint64_t> number_{1};
};

struct Claimed {
  MessageFacts facts;
  std::string small_content; // the content's bytes as in the file, if the claim had them whole at hand; else empty
};

// Moved to bad/ with a final status: one `refused` event for results/.
struct Refused {
  std::string id;
  std::string name;
  DropProblem problem;
};

// Left in new/; to be looked at again at `again`, or when it changes.
struct Waiting {
  enum class Why : std::uint8_t { incomplete, hard_linked, unreadable, reserved, error } why = Why::incomplete;
  Wall again;
  std::string text; // for one warning; empty: nothing to say (or said before)
  Error error;      // why == error: the disk's answer (ENOSPC and the like: claiming must pause)
};

// A name or a kind of file that is none of the agent's business, or a repetition that was dropped as such.
struct Ignored {
  bool duplicate = false;
};

using ClaimAnswer = std::variant<Claimed, Refused, Waiting, Ignored>;

// May this be an id: 1 to 200 bytes of A-Z a-z 0-9 . _ = , : + @ -
[[nodiscard]] bool valid_id(std::string_view name);
// Names that are writers' work in progress: begin with "." or "temp.", end in ".tmp".
[[nodiscard]] bool in_progress_name(std::string_view name);

class Claimer {
 public:
  static constexpr milliseconds incomplete_grace{60'000}; // contract §2
  static constexpr milliseconds hard_link_grace{2'000};   // contract §1

  Claimer(Disk& disk, Ids& ids, std::string reporting_mta);

  [[nodiscard]] Result<std::vector<std::string>> names(); // of new/, without writers' work in progress
  [[nodiscard]] ClaimAnswer claim(const std::string& name, Wall now);

 private:
  Disk& disk_;
  Ids& ids_;
  std::string reporting_mta_;
  // (implementation state: what was said and seen of waiting names)
  std::map<std::string, Stamp> waiting_;
};

} // namespace bulkmail::spool
