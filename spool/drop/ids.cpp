#include "spool/drop/ids.h"

namespace bulkmail::spool {

std::optional<Digest> Ids::find(const std::string& id) const {
  const std::lock_guard lock(mutex_);
  const auto found = taken_.find(id);
  return found == taken_.end() ? std::nullopt : std::optional(found->second);
}

void Ids::take(const std::string& id, const Digest& digest) {
  const std::lock_guard lock(mutex_);
  taken_.insert_or_assign(id, digest);
}

void Ids::release(const std::string& id) {
  const std::lock_guard lock(mutex_);
  taken_.erase(id);
}

void Ids::reserve(const std::string& name) {
  const std::lock_guard lock(mutex_);
  reserved_.insert(name);
}

void Ids::unreserve(const std::string& name) {
  const std::lock_guard lock(mutex_);
  reserved_.erase(name);
}

bool Ids::reserved(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  return reserved_.contains(name);
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
