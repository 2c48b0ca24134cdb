#include "spool/envelope.h"

#include "spool/ascii.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

namespace bulkmail::spool {
namespace {

constexpr std::size_t few = 8; // so many recipients are compared one by one, without a table

// Folds eight bytes a step by a 64 by 64 bit product (as wyhash does).
class Hash {
 public:
  void add(std::string_view bytes) {
    for (; bytes.size() >= 8; bytes.remove_prefix(8)) mix(load(bytes));
    mix(load(bytes) ^ std::uint64_t{bytes.size()} << 56);
  }

  [[nodiscard]] std::uint32_t value() const { return static_cast<std::uint32_t>(state_ >> 32 ^ state_); }

 private:
  static std::uint64_t load(std::string_view from) {
    std::uint64_t word = 0;
    std::memcpy(&word, from.data(), std::min(from.size(), sizeof word));
    return word;
  }

  void mix(std::uint64_t word) {
    __extension__ using Wide = unsigned __int128;
    const Wide product = Wide{state_ ^ word} * 0x9e3779b97f4a7c15;
    state_ = static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
  }

  std::uint64_t state_ = 0xa0761d6478bd642f;
};

// Equal for addresses that differ only in the case of their domain; of a malformed one all is local part.
std::uint32_t hash_of(std::string_view address, std::size_t local_length) {
  Hash hash;
  hash.add(address.substr(0, local_length));
  const std::string_view domain = address.substr(local_length);
  std::array<char, 256> folded; // read only as far as written: a well-formed address has at most 254 octets
  std::transform(domain.begin(), domain.end(), folded.begin(), lower);
  hash.add({folded.data(), domain.size()});
  return hash.value();
}

} // namespace

std::string Envelope::sender_for(std::size_t index) const {
  if (!verp || sender_.empty()) return sender_;
  const Recipient to = recipient(index);
  const auto local = parse_mailbox(sender_);
  if (!local || to.malformed) return sender_; // such a recipient is never sent to
  std::string own = unquoted_local(std::string_view(sender_).substr(0, *local));
  own += verp->before_recipient;
  own += unquoted_local(to.local);
  own += verp->at_sign;
  own += to.domain;
  return quoted_local(own).append(sender_, *local);
}

Recipient Envelope::recipient(std::size_t index) const {
  const Slot& slot = slots_[index];
  Recipient found;
  found.address = std::string_view(arena_).substr(slot.offset, slot.length);
  found.local = found.address.substr(0, slot.local_length);
  found.malformed = slot.local_length == slot.length;
  if (!found.malformed) found.domain = found.address.substr(slot.local_length + 1U);
  if (!extras_.empty()) {
    const auto extra = std::ranges::lower_bound(extras_, index, {}, &Extra::index);
    if (extra != extras_.end() && extra->index == index) {
      found.notify = extra->notify;
      found.orcpt = extra->orcpt;
    }
  }
  return found;
}

MergeFields Envelope::merge_fields(std::size_t index) const {
  if (field_names_.size() == 0) return MergeFields({});
  const std::size_t begin = slots_[index].offset + std::size_t{slots_[index].length};
  const std::size_t end = index + 1 < slots_.size() ? slots_[index + 1].offset : arena_.size();
  return MergeFields(std::string_view(arena_).substr(begin, end - begin));
}

std::size_t Envelope::memory() const {
  std::size_t bytes = sender_.capacity() + arena_.capacity() + envid.capacity() +
                      slots_.capacity() * sizeof(Slot) + extras_.capacity() * sizeof(Extra) +
                      field_names_.memory();
  for (const Extra& extra : extras_) bytes += extra.orcpt.capacity();
  return bytes;
}

bool EnvelopeBuilder::name_fields(std::span<const MergeField> fields) {
  for (std::size_t i = 0; i < fields.size(); ++i)
    if (!envelope.field_names_.add(fields[i].name, i)) return false;
  return true;
}

bool EnvelopeBuilder::recipient(std::string_view address, Notify notify, std::string_view orcpt,
                                std::span<const MergeField> fields) {
  address = address.substr(0, max_address);
  const std::size_t local_length = parse_mailbox(address).value_or(address.size());
  const std::size_t index = envelope.slots_.size();
  if (index < few) {
    for (std::size_t i = 0; i < index; ++i)
      if (same(i, address, local_length)) return false;
  } else {
    if (places_.size() <= 2 * index) grow();
    const std::uint32_t hash = hash_of(address, local_length);
    if (seen(address, local_length, hash)) return false;
    remember(hash, static_cast<std::uint32_t>(index + 1));
  }
  envelope.slots_.push_back({static_cast<std::uint32_t>(envelope.arena_.size()),
                             static_cast<std::uint16_t>(address.size()),
                             static_cast<std::uint16_t>(local_length)});
  envelope.arena_ += address;
  for (std::size_t i = 0; i < fields.size(); ++i)
    if (const auto name = envelope.field_names_.add(fields[i].name, i))
      MergeFields::append(envelope.arena_, *name, fields[i].value);
  if (notify.given || !orcpt.empty())
    envelope.extras_.push_back({static_cast<std::uint32_t>(index), notify, std::string(orcpt)});
  return true;
}

Envelope EnvelopeBuilder::take() {
  Envelope taken = std::move(envelope);
  *this = {};
  taken.arena_.shrink_to_fit();
  taken.slots_.shrink_to_fit();
  return taken;
}

bool EnvelopeBuilder::same(std::size_t index, std::string_view address, std::size_t local_length) const {
  const Envelope::Slot& slot = envelope.slots_[index];
  if (slot.length != address.size() || slot.local_length != local_length) return false;
  const std::string_view other = std::string_view(envelope.arena_).substr(slot.offset, slot.length);
  return std::equal(address.begin(), address.begin() + static_cast<std::ptrdiff_t>(local_length),
                    other.begin()) &&
         std::ranges::equal(address.substr(local_length), other.substr(local_length), {}, lower, lower);
}

bool EnvelopeBuilder::seen(std::string_view address, std::size_t local_length, std::uint32_t hash) const {
  for (std::size_t at = hash;; ++at) {
    const Place& place = places_[at & (places_.size() - 1)];
    if (place.index == 0) return false;
    if (place.hash == hash && same(place.index - 1, address, local_length)) return true;
  }
}

void EnvelopeBuilder::remember(std::uint32_t hash, std::uint32_t index) {
  std::size_t at = hash;
  while (places_[at & (places_.size() - 1)].index != 0) ++at;
  places_[at & (places_.size() - 1)] = {hash, index};
}

void EnvelopeBuilder::grow() {
  const std::vector<Place> old =
      std::exchange(places_, std::vector<Place>(std::max(8 * few, 2 * places_.size())));
  for (const Place& place : old)
    if (place.index != 0) remember(place.hash, place.index);
  if (!old.empty()) return;
  for (std::size_t i = 0; i < envelope.slots_.size(); ++i) { // the few that had no table
    const Envelope::Slot& slot = envelope.slots_[i];
    remember(hash_of(std::string_view(envelope.arena_).substr(slot.offset, slot.length), slot.local_length),
             static_cast<std::uint32_t>(i + 1));
  }
}

} // namespace bulkmail::spool
