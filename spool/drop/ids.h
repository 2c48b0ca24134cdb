// Which ids are taken, and what may be one.
#pragma once

#include "spool/message.h"

#include <atomic>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>

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

// May this be an id: 1 to 200 bytes of A-Z a-z 0-9 . _ = , : + @ -
[[nodiscard]] bool valid_id(std::string_view name);
// Names that are writers' work in progress: begin with "." or "temp.", end in ".tmp".
[[nodiscard]] bool in_progress_name(std::string_view name);

} // namespace bulkmail::spool
