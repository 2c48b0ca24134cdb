#include "tests/simulation/memory_disk.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <system_error>
#include <utility>

namespace bulkmail::simulation {
namespace {

using spool::Error;
using spool::File;
using spool::FileInfo;
using spool::Result;

constexpr std::size_t sector_size = 512;

std::unexpected<Error> failed(int code, std::string_view path) {
  return std::unexpected(Error{code, fmt::format("{}: {}", path, std::generic_category().message(code))});
}

bool changes_something(MemoryDisk::Operation operation) {
  using enum MemoryDisk::Operation;
  switch (operation) {
  case open_read:
  case read:
  case info:
  case list:
  case free_space: return false;
  default: return true;
  }
}

// What of a file's bytes a machine finds after a power cut.
std::string survivor(const std::string& durable, const std::string& bytes, std::size_t dirty_from,
                     MemoryDisk::Profile profile, Dice& dice) {
  if (dirty_from >= bytes.size() && durable.size() == bytes.size()) return durable;
  if (dice.below(3) == 0) return durable; // nothing of it
  std::string found = durable;
  const std::size_t from = std::min(dirty_from, bytes.size());
  const std::size_t to = dice.below(2) == 0 ? bytes.size() : from + dice.below(bytes.size() - from + 1);
  found.resize(std::max(to, std::min(durable.size(), bytes.size())));
  std::copy(bytes.begin() + static_cast<std::ptrdiff_t>(from),
            bytes.begin() + static_cast<std::ptrdiff_t>(to),
            found.begin() + static_cast<std::ptrdiff_t>(from));
  if (profile == MemoryDisk::Profile::ordered) return found;
  for (std::size_t sector = from / sector_size * sector_size; sector < to; sector += sector_size) {
    if (dice.below(4) != 0) continue;
    for (std::size_t at = std::max(sector, from); at < std::min(sector + sector_size, to); ++at)
      found[at] = at < durable.size() ? durable[at] : '\0';
  }
  return found;
}

} // namespace

class MemoryDisk::OpenFile final : public File {
 public:
  OpenFile(MemoryDisk& disk, std::shared_ptr<Inode> inode, std::string_view path)
      : disk_(disk),
        inode_(std::move(inode)),
        path_(path) {}

  Result<std::size_t> read_at(std::uint64_t offset, std::span<char> into) override {
    const std::lock_guard lock(disk_.mutex_);
    if (const int code = disk_.begin(Operation::read, path_)) return failed(code, path_);
    const std::string& bytes = inode_->bytes;
    if (offset >= bytes.size()) return 0;
    return bytes.copy(into.data(), into.size(), offset);
  }

  // One that fails for want of space has written a part.
  Result<void> append(std::string_view bytes) override {
    const std::lock_guard lock(disk_.mutex_);
    const int code = disk_.begin(Operation::append, path_);
    if (code == ENOSPC || code == EDQUOT)
      disk_.write(*inode_, inode_->bytes.size(), bytes.substr(0, bytes.size() / 2));
    if (code != 0) return failed(code, path_);
    disk_.write(*inode_, inode_->bytes.size(), bytes);
    return {};
  }

  Result<void> write_at(std::uint64_t offset, std::string_view bytes) override {
    const std::lock_guard lock(disk_.mutex_);
    if (const int code = disk_.begin(Operation::write_at, path_)) return failed(code, path_);
    disk_.write(*inode_, offset, bytes);
    return {};
  }

  // As Linux does it: after an error the bytes count as written, and the next sync doesn't write them either.
  Result<void> sync_data() override {
    const std::lock_guard lock(disk_.mutex_);
    if (const int code = disk_.begin(Operation::sync_data, path_)) {
      inode_->durable.resize(inode_->bytes.size());
      inode_->dirty_from = inode_->bytes.size();
      return failed(code, path_);
    }
    bring_down(*inode_);
    return {};
  }

  Result<FileInfo> info() override {
    const std::lock_guard lock(disk_.mutex_);
    if (const int code = disk_.begin(Operation::info, path_)) return failed(code, path_);
    return FileInfo{FileInfo::Kind::regular, inode_->number, inode_->bytes.size(), inode_->links,
                    inode_->mtime_ns};
  }

 private:
  MemoryDisk& disk_;
  std::shared_ptr<Inode> inode_;
  std::string path_;
};

std::unique_ptr<MemoryDisk> MemoryDisk::power_cut(Dice& dice) const {
  const std::lock_guard lock(mutex_);
  auto after = std::make_unique<MemoryDisk>(profile_);
  after->time_ = time_;
  after->next_inode_ = next_inode_;
  after->space_ = space_;

  std::map<std::string, Entries, std::less<>> entries;
  for (const auto& [name, folder] : folders_) entries[name] = folder.durable;
  if (profile_ == Profile::ordered) {
    // Up to some moment, a rename wholly or not at all.
    std::size_t kept = unsynced_.empty() ? 0 : dice.below(unsynced_.size() + 1);
    while (kept > 0 && kept < unsynced_.size() && unsynced_[kept].operation == unsynced_[kept - 1].operation)
      ++kept;
    for (std::size_t n = 0; n < kept; ++n) apply(entries[unsynced_[n].folder], unsynced_[n]);
  } else {
    for (std::size_t n = 0; n < unsynced_.size(); ++n) {
      const bool renamed = n + 1 < unsynced_.size() &&
                           unsynced_[n].operation == unsynced_[n + 1].operation; // new name, old name
      if (renamed) {
        // Not at all, wholly, or from folder to folder under both names: the file is never without one.
        const bool both_names = unsynced_[n].folder != unsynced_[n + 1].folder;
        const std::uint64_t survives = dice.below(both_names ? 3 : 2);
        if (survives > 0) apply(entries[unsynced_[n].folder], unsynced_[n]);
        if (survives == 1) apply(entries[unsynced_[n + 1].folder], unsynced_[n + 1]);
        ++n;
      } else if (dice.below(2) == 0) {
        apply(entries[unsynced_[n].folder], unsynced_[n]);
      }
    }
  }

  std::map<const Inode*, std::shared_ptr<Inode>> copies;
  for (const auto& [name, found] : entries) {
    Folder& folder = after->folders_[name];
    for (const auto& [entry, inode] : found) {
      std::shared_ptr<Inode>& copy = copies[inode.get()];
      if (!copy) {
        copy = std::make_shared<Inode>(*inode);
        copy->links = 0;
        copy->durable = copy->bytes =
            survivor(inode->durable, inode->bytes, inode->dirty_from, profile_, dice);
        copy->dirty_from = copy->bytes.size();
      }
      ++copy->links;
      folder.entries[entry] = folder.durable[entry] = copy;
    }
  }
  return after;
}

void MemoryDisk::restart() {
  const std::lock_guard lock(mutex_);
  crashed_ = false;
  crash_at_ = std::numeric_limits<std::uint64_t>::max();
}

void MemoryDisk::put(std::string_view path, std::string_view bytes) {
  const std::lock_guard lock(mutex_);
  auto inode = std::make_shared<Inode>();
  inode->number = next_inode_++;
  inode->bytes = inode->durable = bytes;
  inode->dirty_from = bytes.size();
  inode->links = 1;
  inode->mtime_ns = ++time_;
  const Place place = find(path);
  place.folder->entries[place.name] = place.folder->durable[place.name] = std::move(inode);
}

void MemoryDisk::put_other(std::string_view path) {
  put(path, {});
  inode_at(path)->regular = false;
}

void MemoryDisk::link(std::string_view from, std::string_view to) {
  const std::lock_guard lock(mutex_);
  const auto inode = inode_at(from);
  ++inode->links;
  const Place place = find(to);
  place.folder->entries[place.name] = place.folder->durable[place.name] = inode;
}

std::optional<std::string> MemoryDisk::contents(std::string_view path) const {
  const std::lock_guard lock(mutex_);
  const auto inode = inode_at(path);
  if (!inode) return std::nullopt;
  return inode->bytes;
}

Result<std::unique_ptr<File>> MemoryDisk::open_read(std::string_view path) {
  const std::lock_guard lock(mutex_);
  if (const int code = begin(Operation::open_read, path)) return failed(code, path);
  auto inode = inode_at(path);
  if (!inode) return failed(ENOENT, path);
  if (!inode->regular) return failed(EINVAL, path);
  return std::make_unique<OpenFile>(*this, std::move(inode), path);
}

Result<std::unique_ptr<File>> MemoryDisk::create(std::string_view path, unsigned /*mode*/) {
  const std::lock_guard lock(mutex_);
  auto made = make(Operation::create, path);
  if (!made) return std::unexpected(made.error());
  return std::make_unique<OpenFile>(*this, std::move(*made), path);
}

Result<std::unique_ptr<File>> MemoryDisk::append_to(std::string_view path, unsigned /*mode*/) {
  const std::lock_guard lock(mutex_);
  if (auto inode = inode_at(path)) { // changes nothing
    if (crashed_) return failed(EIO, path);
    if (fault_)
      if (const int code = fault_(Operation::append_to, path)) return failed(code, path);
    if (!inode->regular) return failed(EINVAL, path);
    return std::make_unique<OpenFile>(*this, std::move(inode), path);
  }
  auto made = make(Operation::append_to, path);
  if (!made) return std::unexpected(made.error());
  return std::make_unique<OpenFile>(*this, std::move(*made), path);
}

Result<FileInfo> MemoryDisk::info(std::string_view path) {
  const std::lock_guard lock(mutex_);
  if (const int code = begin(Operation::info, path)) return failed(code, path);
  if (folders_.contains(path)) return FileInfo{FileInfo::Kind::directory, 0, 0, 2, 0};
  const auto inode = inode_at(path);
  if (!inode) return failed(ENOENT, path);
  return FileInfo{inode->regular ? FileInfo::Kind::regular : FileInfo::Kind::other, inode->number,
                  inode->bytes.size(), inode->links, inode->mtime_ns};
}

Result<void> MemoryDisk::rename(std::string_view from, std::string_view to) {
  return move(Operation::rename, from, to, true);
}

Result<void> MemoryDisk::rename_new(std::string_view from, std::string_view to) {
  return move(Operation::rename_new, from, to, false);
}

Result<void> MemoryDisk::remove(std::string_view path) {
  const std::lock_guard lock(mutex_);
  if (const int code = begin(Operation::remove, path)) return failed(code, path);
  const auto inode = inode_at(path);
  if (!inode) return failed(ENOENT, path);
  --inode->links;
  set_entry(find(path), nullptr, changes_);
  return {};
}

Result<void> MemoryDisk::truncate(std::string_view path, std::uint64_t size) {
  const std::lock_guard lock(mutex_);
  if (const int code = begin(Operation::truncate, path)) return failed(code, path);
  const auto inode = inode_at(path);
  if (!inode) return failed(ENOENT, path);
  inode->bytes.resize(size);
  inode->dirty_from = std::min<std::size_t>(inode->dirty_from, size);
  inode->mtime_ns = ++time_;
  return {};
}

Result<std::vector<std::string>> MemoryDisk::list(std::string_view directory) {
  const std::lock_guard lock(mutex_);
  if (const int code = begin(Operation::list, directory)) return failed(code, directory);
  const auto folder = folders_.find(directory);
  if (folder == folders_.end()) return failed(ENOENT, directory);
  std::vector<std::string> names;
  for (const auto& [name, inode] : folder->second.entries) names.push_back(name);
  return names;
}

Result<void> MemoryDisk::make_directory(std::string_view path, unsigned /*mode*/) {
  const std::lock_guard lock(mutex_);
  if (folders_.contains(path)) return {};
  if (const int code = begin(Operation::make_directory, path)) return failed(code, path);
  folders_[std::string(path)];
  return {};
}

Result<void> MemoryDisk::sync_directory(std::string_view path) {
  const std::lock_guard lock(mutex_);
  if (const int code = begin(Operation::sync_directory, path)) return failed(code, path);
  const std::string_view name = path == "." ? "" : path;
  const auto folder = folders_.find(name);
  if (folder == folders_.end()) return failed(ENOENT, path);
  folder->second.durable = folder->second.entries;
  std::erase_if(unsynced_, [&](const Change& change) { return change.folder == name; });
  return {};
}

Result<void> MemoryDisk::sync_all() {
  const std::lock_guard lock(mutex_);
  if (const int code = begin(Operation::sync_all, ".")) return failed(code, ".");
  for (auto& [name, folder] : folders_) {
    folder.durable = folder.entries;
    for (auto& [entry, inode] : folder.entries) bring_down(*inode);
  }
  unsynced_.clear();
  return {};
}

Result<spool::Disk::Space> MemoryDisk::free_space() {
  const std::lock_guard lock(mutex_);
  if (const int code = begin(Operation::free_space, ".")) return failed(code, ".");
  return space_;
}

MemoryDisk::Place MemoryDisk::find(std::string_view path) {
  Place place;
  const std::size_t slash = path.rfind('/');
  if (slash != std::string_view::npos) place.folder_name = path.substr(0, slash);
  place.name = slash == std::string_view::npos ? path : path.substr(slash + 1);
  const auto folder = folders_.find(place.folder_name);
  if (folder != folders_.end()) place.folder = &folder->second;
  return place;
}

std::shared_ptr<MemoryDisk::Inode> MemoryDisk::inode_at(std::string_view path) const {
  const Place place = const_cast<MemoryDisk*>(this)->find(path);
  if (place.folder == nullptr) return nullptr;
  const auto entry = place.folder->entries.find(place.name);
  return entry == place.folder->entries.end() ? nullptr : entry->second;
}

int MemoryDisk::begin(Operation operation, std::string_view path) {
  if (crashed_) return EIO;
  if (fault_)
    if (const int code = fault_(operation, path)) return code;
  if (changes_something(operation) && ++changes_ == crash_at_) crash();
  return 0;
}

Result<std::shared_ptr<MemoryDisk::Inode>> MemoryDisk::make(Operation operation, std::string_view path) {
  if (const int code = begin(operation, path)) return failed(code, path);
  const Place place = find(path);
  if (place.folder == nullptr) return failed(ENOENT, path);
  if (place.name.size() > 255) return failed(ENAMETOOLONG, path);
  if (place.folder->entries.contains(place.name)) return failed(EEXIST, path);
  auto inode = std::make_shared<Inode>();
  inode->number = next_inode_++;
  inode->links = 1;
  inode->mtime_ns = ++time_;
  set_entry(place, inode, changes_);
  return inode;
}

Result<void> MemoryDisk::move(Operation operation, std::string_view from, std::string_view to, bool replace) {
  const std::lock_guard lock(mutex_);
  if (const int code = begin(operation, from)) return failed(code, from);
  const auto inode = inode_at(from);
  if (!inode) return failed(ENOENT, from);
  const Place new_place = find(to);
  if (new_place.folder == nullptr) return failed(ENOENT, to);
  if (new_place.name.size() > 255) return failed(ENAMETOOLONG, to);
  if (const auto there = inode_at(to)) {
    if (!replace) return failed(EEXIST, to);
    --there->links;
  }
  set_entry(new_place, inode, changes_);
  set_entry(find(from), nullptr, changes_);
  return {};
}

void MemoryDisk::set_entry(const Place& place, std::shared_ptr<Inode> inode, std::uint64_t operation) {
  unsynced_.push_back({place.folder_name, place.name, std::move(inode), operation});
  apply(place.folder->entries, unsynced_.back());
}

void MemoryDisk::apply(Entries& entries, const Change& change) {
  if (change.inode)
    entries[change.name] = change.inode;
  else
    entries.erase(change.name);
}

void MemoryDisk::write(Inode& inode, std::size_t offset, std::string_view bytes) {
  if (inode.bytes.size() < offset + bytes.size()) inode.bytes.resize(offset + bytes.size());
  bytes.copy(inode.bytes.data() + offset, bytes.size());
  inode.dirty_from = std::min(inode.dirty_from, offset);
  inode.mtime_ns = ++time_;
}

void MemoryDisk::bring_down(Inode& inode) {
  inode.durable.resize(inode.bytes.size());
  if (inode.dirty_from < inode.bytes.size())
    std::copy(inode.bytes.begin() + static_cast<std::ptrdiff_t>(inode.dirty_from), inode.bytes.end(),
              inode.durable.begin() + static_cast<std::ptrdiff_t>(inode.dirty_from));
  inode.dirty_from = inode.bytes.size();
}

} // namespace bulkmail::simulation
