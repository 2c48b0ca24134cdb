#include "spool/drop/status_sieve.h"

#include <algorithm>
#include <bit>
#include <functional>

namespace bulkmail::spool {
namespace {

// The second of the two bits: by the other half of the hash.
std::uint64_t turned(std::uint64_t hash) { return std::rotl(hash, 32); }

std::uint64_t hash_of(std::string_view id) { return std::hash<std::string_view>()(id); }

} // namespace

void StatusSieve::begin(std::size_t expected) {
  constexpr std::size_t word = 64;
  std::vector<std::uint64_t> words(std::bit_ceil(std::max(expected, least_expected) * bits_an_id / word));
  const std::lock_guard lock(mutex_);
  words_ = std::move(words);
  complete_ = false;
}

void StatusSieve::add(std::string_view id) {
  const std::uint64_t hash = hash_of(id);
  const std::lock_guard lock(mutex_);
  if (words_.empty()) return;
  for (const std::uint64_t half : {hash, turned(hash)}) {
    const auto [word, mask] = bit(half);
    words_[word] |= mask;
  }
}

void StatusSieve::complete() {
  const std::lock_guard lock(mutex_);
  complete_ = true;
}

bool StatusSieve::may_have(std::string_view id) const {
  const std::uint64_t hash = hash_of(id);
  const std::lock_guard lock(mutex_);
  if (!complete_) return true;
  const auto first = bit(hash), second = bit(turned(hash));
  return (words_[first.word] & first.mask) != 0 && (words_[second.word] & second.mask) != 0;
}

StatusSieve::Bit StatusSieve::bit(std::uint64_t hash) const {
  return {hash / 64 % words_.size(), std::uint64_t{1} << hash % 64};
}

} // namespace bulkmail::spool
