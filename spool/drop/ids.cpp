#include "spool/drop/ids.h"

#include <algorithm>
#include <functional>

namespace bulkmail::spool {
namespace {

constexpr std::size_t first_places = 16;

std::size_t hash_of(std::string_view id) { return std::hash<std::string_view>()(id); }

} // namespace

std::optional<Digest> Ids::find(std::string_view id) const {
  const std::size_t hash = hash_of(id);
  const Shard& in = shards_[shard_of(hash)];
  const std::lock_guard lock(in.mutex);
  if (const PackedFacts* const message = in.messages.find(id, hash)) return message->digest();
  if (in.others.empty()) return std::nullopt;
  const auto other = in.others.find(std::string(id));
  return other == in.others.end() ? std::nullopt : std::optional(other->second);
}

std::optional<std::uint64_t> Ids::number(std::string_view id) const {
  const std::size_t hash = hash_of(id);
  const Shard& in = shards_[shard_of(hash)];
  const std::lock_guard lock(in.mutex);
  const PackedFacts* const message = in.messages.find(id, hash);
  return message == nullptr ? std::nullopt : std::optional(message->number());
}

void Ids::take(const PackedFacts& message) {
  const std::size_t hash = hash_of(message.id());
  Shard& in = shards_[shard_of(hash)];
  const std::lock_guard lock(in.mutex);
  in.messages.insert(message, hash);
  if (!in.others.empty()) in.others.erase(std::string(message.id()));
}

void Ids::take(const std::string& id, const Digest& digest) {
  Shard& in = shards_[shard_of(hash_of(id))];
  const std::lock_guard lock(in.mutex);
  in.others.insert_or_assign(id, digest);
}

void Ids::release(std::string_view id) {
  statuses_.add(id); // first: at no moment is it unknown to both
  const std::size_t hash = hash_of(id);
  Shard& in = shards_[shard_of(hash)];
  const std::lock_guard lock(in.mutex);
  if (!in.messages.erase(id, hash) && !in.others.empty()) in.others.erase(std::string(id));
}

void Ids::reserve(const std::string& name) {
  const std::lock_guard lock(reserved_mutex_);
  reserved_.insert(name);
}

void Ids::unreserve(const std::string& name) {
  const std::lock_guard lock(reserved_mutex_);
  reserved_.erase(name);
}

bool Ids::reserved(const std::string& name) const {
  const std::lock_guard lock(reserved_mutex_);
  return reserved_.contains(name);
}

std::size_t Ids::MessageSet::place_of(std::string_view id, std::size_t hash) const {
  std::size_t place = home(hash);
  while (places_[place] && places_[place].id() != id) place = after(place);
  return place;
}

const PackedFacts* Ids::MessageSet::find(std::string_view id, std::size_t hash) const {
  if (size_ == 0) return nullptr;
  const PackedFacts& found = places_[place_of(id, hash)];
  return found ? &found : nullptr;
}

void Ids::MessageSet::insert(const PackedFacts& message, std::size_t hash) {
  if (4 * (size_ + 1) > 3 * places_.size())
    resize(std::max(first_places, places_.size() + places_.size() / 2));
  PackedFacts& place = places_[place_of(message.id(), hash)];
  if (!place) ++size_;
  place = message;
}

bool Ids::MessageSet::erase(std::string_view id, std::size_t hash) {
  if (size_ == 0) return false;
  std::size_t hole = place_of(id, hash);
  if (!places_[hole]) return false;
  places_[hole] = PackedFacts();
  --size_;
  // Whoever stands behind the hole moves into it, unless its search begins behind it.
  for (std::size_t place = after(hole); places_[place]; place = after(place)) {
    const std::size_t begin = home(hash_of(places_[place].id()));
    const bool begins_behind = hole < place ? hole < begin && begin <= place : hole < begin || begin <= place;
    if (begins_behind) continue;
    std::swap(places_[hole], places_[place]);
    hole = place;
  }
  if (places_.size() > first_places && 8 * size_ < places_.size()) resize(std::max(first_places, 2 * size_));
  return true;
}

void Ids::MessageSet::resize(std::size_t places) {
  std::vector<PackedFacts> old(places);
  old.swap(places_);
  for (PackedFacts& message : old) {
    if (!message) continue;
    PackedFacts& place = places_[place_of(message.id(), hash_of(message.id()))];
    place = std::move(message);
  }
}

bool valid_id(std::string_view name) {
  constexpr std::size_t longest = 200;
  constexpr std::string_view beside_letters_and_digits = "._=,:+@-";
  if (name.empty() || name.size() > longest) return false;
  for (const char c : name)
    if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
          beside_letters_and_digits.find(c) != beside_letters_and_digits.npos))
      return false;
  return true;
}

bool in_progress_name(std::string_view name) {
  return name.starts_with('.') || name.starts_with("temp.") || name.ends_with(".tmp");
}

} // namespace bulkmail::spool
