// Which ids are taken, and what may be one.
#pragma once

#include "spool/drop/status_sieve.h"
#include "spool/packed_facts.h"

#include <array>
#include <atomic>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace bulkmail::spool {

// Which ids are in use by messages in cur/, and with what bytes; shared by claim, intake and closing. Thread-safe.
class Ids {
 public:
  // The digest under which `id` is taken by a message not yet closed; none: free.
  [[nodiscard]] std::optional<Digest> find(std::string_view id) const;
  [[nodiscard]] std::optional<std::uint64_t> number(std::string_view id) const; // of that message
  void take(const PackedFacts& message);
  void take(const std::string& id, const Digest& digest); // by a file in cur/ that is no message yet
  void release(std::string_view id);                      // it may have left a status

  [[nodiscard]] StatusSieve& statuses() { return statuses_; }

  // A name an intake is still writing to new/: claim leaves it alone until it is unreserved.
  void reserve(const std::string& name);
  void unreserve(const std::string& name);
  [[nodiscard]] bool reserved(const std::string& name) const;

  [[nodiscard]] std::uint64_t next_number() { return number_.fetch_add(1); }

  void start_numbers_at(std::uint64_t number) { number_ = number; }

 private:
  // A set of messages by their ids, which stand in their facts: open addressing, one word a place, at most three quarters of
  // them taken, and never with a hole between a message and the place where its search begins.
  class MessageSet {
   public:
    [[nodiscard]] const PackedFacts* find(std::string_view id, std::size_t hash) const;
    void insert(const PackedFacts& message, std::size_t hash); // replaces one of the same id
    bool erase(std::string_view id, std::size_t hash);

   private:
    [[nodiscard]] std::size_t home(std::size_t hash) const { return hash % places_.size(); }

    [[nodiscard]] std::size_t after(std::size_t place) const {
      return place + 1 == places_.size() ? 0 : place + 1;
    }

    [[nodiscard]] std::size_t place_of(std::string_view id, std::size_t hash) const; // its own, or a free one
    void resize(std::size_t places);

    std::vector<PackedFacts> places_;
    std::size_t size_ = 0;
  };

  // So many sets, each with a lock of its own, so that none of them is large when it must grow.
  static constexpr std::size_t shard_count = 64;

  struct Shard {
    mutable std::mutex mutex;
    MessageSet messages;
    std::unordered_map<std::string, Digest> others;
  };

  // By the upper bits: the lower ones say where in the set.
  [[nodiscard]] static std::size_t shard_of(std::size_t hash) { return hash >> 32 & (shard_count - 1); }

  std::array<Shard, shard_count> shards_;
  StatusSieve statuses_;
  mutable std::mutex reserved_mutex_;
  std::set<std::string> reserved_;
  std::atomic<std::uint64_t> number_{1};
};

// May this be an id: 1 to 200 bytes of A-Z a-z 0-9 . _ = , : + @ -
[[nodiscard]] bool valid_id(std::string_view name);
// Names that are writers' work in progress: begin with "." or "temp.", end in ".tmp".
[[nodiscard]] bool in_progress_name(std::string_view name);

} // namespace bulkmail::spool
