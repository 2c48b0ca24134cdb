#include "spool/drop/namesakes.h"

#include "spool/digest.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

namespace bulkmail::spool {

std::string numbered(const std::string& name, std::uint32_t n) {
  return n == 0 ? name : fmt::format("{}~{}", name, n);
}

Result<std::optional<std::string>> Namesakes::id_for(const std::string& name, const Digest& digest) {
  const auto first = holder(name, digest);
  if (!first) return std::unexpected(first.error());
  if (*first == Holder::nobody) return name;
  if (*first == Holder::same_bytes) return std::nullopt;

  const auto last = highest(name);
  if (!last) return std::unexpected(last.error());
  std::optional<std::string> free;
  for (std::uint32_t n = 1; n <= *last || !free; ++n) {
    std::string id = numbered(name, n);
    const auto held = holder(id, digest);
    if (!held) return std::unexpected(held.error());
    if (*held == Holder::same_bytes) return std::nullopt;
    if (*held == Holder::nobody && !free) free = std::move(id);
  }
  count(*free);
  return free;
}

void Namesakes::adopt(const std::string& id) {
  Digest digest{}; // of no file
  if (const auto file = disk_.open_read("cur/" + id)) {
    const auto info = (*file)->info();
    Sha256 sum;
    if (info && hash_range(**file, 0, info->size, sum)) digest = sum.finish();
  }
  ids_.take(id, digest);
}

Result<Namesakes::Holder> Namesakes::holder(const std::string& id, const Digest& digest) {
  if (const auto taken = ids_.find(id)) return *taken == digest ? Holder::same_bytes : Holder::others;
  if (!ids_.statuses().may_have(id)) return Holder::nobody;
  const auto head = read_status_head(disk_, id);
  if (head) {
    if (is_notice(*head)) return Holder::nobody;
    return head->digest == to_string(digest) ? Holder::same_bytes : Holder::others;
  }
  switch (head.error().code) {
  case ENOENT: looked_in_vain(); return Holder::nobody;
  case EMFILE:
  case ENFILE:
  case ENOMEM: return std::unexpected(head.error());
  default: return Holder::others; // something is there
  }
}

// A listing comes after as many looks as it has names: however many these are, listing them is the smaller part.
void Namesakes::looked_in_vain() {
  if (--looks_left_ > 0) return;
  StatusSieve& statuses = ids_.statuses();
  Result<std::vector<std::string>> names;
  std::size_t expected = 0;
  do { // the second time for all that the first has found, if it was made for fewer
    expected = names->size();
    statuses.begin(expected);
    names = disk_.list("status");
  } while (names && names->size() > std::max(expected, StatusSieve::least_expected));
  looks_left_ = std::max(looks_before_listing, names ? names->size() : 0);
  if (!names) return;
  for (const std::string_view entry : *names) statuses.add(id_of_status(entry));
  statuses.complete();
}

Result<std::uint32_t> Namesakes::highest(const std::string& name) {
  if (!highest_) {
    highest_.emplace();
    for (const std::string_view folder : {"cur", "status"}) {
      const auto names = disk_.list(folder);
      if (!names) {
        highest_.reset();
        return std::unexpected(names.error());
      }
      for (const std::string_view entry : *names) count(folder == "status" ? id_of_status(entry) : entry);
    }
  }
  const auto found = highest_->find(name);
  return found == highest_->end() ? 0 : found->second;
}

void Namesakes::count(std::string_view id) {
  const std::size_t tilde = id.rfind('~');
  if (tilde == id.npos) return;
  std::uint32_t n = 0;
  const auto [end, error] = std::from_chars(id.data() + tilde + 1, id.data() + id.size(), n);
  if (error != std::errc() || end != id.data() + id.size()) return;
  std::uint32_t& known = (*highest_)[std::string(id.substr(0, tilde))];
  known = std::max(known, n);
}

} // namespace bulkmail::spool
