// Which ids may have a status file, known without asking the disk: a claim would else look for a name that nearly never is
// there, in a folder that may have hundreds of thousands.
//
// A Bloom filter of two bits an id. What it doesn't know has no status, since nobody but this agent puts files into
// status/; what it knows may have one, or had one that the upstream has deleted since: only then is the disk asked. It is
// filled from a listing while ids go on being added, and filled anew when it has become too full of those that are gone.
//
//   sieve.begin(expected);       // from here on add() counts
//   list status/; for (…) sieve.add(id);
//   sieve.complete();            // from here on may_have() can say no
//
// Thread-safe.
#pragma once

#include <cstdint>
#include <mutex>
#include <string_view>
#include <vector>

namespace bulkmail::spool {

class StatusSieve {
 public:
  static constexpr std::size_t least_expected = 8'192; // 16 KiB

  void begin(std::size_t expected); // forgets all
  void add(std::string_view id);
  void complete();
  [[nodiscard]] bool may_have(std::string_view id) const;

 private:
  // Of ten that have no status one or less is looked for in vain, until twice the expected number were added.
  static constexpr std::size_t bits_an_id = 16;

  struct Bit {
    std::size_t word;
    std::uint64_t mask;
  };

  [[nodiscard]] Bit bit(std::uint64_t hash) const;

  mutable std::mutex mutex_;
  std::vector<std::uint64_t> words_; // a power of two of them; none before begin()
  bool complete_ = false;
};

} // namespace bulkmail::spool
