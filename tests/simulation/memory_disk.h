// A Disk in memory that knows what would survive a power cut, fails where it is told to, and stops a program at any
// operation as a crash would.
//
// Every file has the bytes that programs see and those that are on the platter; every folder likewise its entries. sync_data
// brings a file's bytes down, sync_directory a folder's entries, sync_all everything. power_cut() draws one of the states
// in which a machine may come up again:
//   ordered: as ext4 with a journal: entries survive up to some moment, a file's unsynced end up to some octet
//   any: all that POSIX allows: each entry on its own, a file moved to another folder under both names, sectors of the unsynced end as zeros
#pragma once

#include "resolver/dice.h"
#include "spool/disk.h"

#include <array>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bulkmail::simulation {

// Thrown by the operation at which the program is to crash; those after it fail with EIO and do nothing.
struct Crashed {};

class MemoryDisk final : public spool::Disk {
 public:
  enum class Profile : std::uint8_t { ordered, any };
  enum class Operation : std::uint8_t {
    open_read,
    read,
    create,
    append_to,
    append,
    write_at,
    sync_data,
    info,
    rename,
    rename_new,
    remove,
    truncate,
    list,
    make_directory,
    sync_directory,
    sync_all,
    free_space,
  };
  // Answers an errno for the operation to fail with, or 0.
  using Fault = std::function<int(Operation, std::string_view path)>;

  explicit MemoryDisk(Profile profile = Profile::ordered) : profile_(profile) { folders_[""]; }

  [[nodiscard]] std::unique_ptr<MemoryDisk> power_cut(Dice& dice) const;

  void set_fault(Fault fault) { fault_ = std::move(fault); }

  // Operations that change something, so far.
  [[nodiscard]] std::uint64_t changes() const { return changes_; }

  void crash_at_change(std::uint64_t change) { crash_at_ = change; } // counted from 1

  // For a fault to call: the program crashes at this very operation.
  [[noreturn]] void crash() {
    crashed_ = true;
    throw Crashed();
  }

  [[nodiscard]] bool crashed() const { return crashed_; }

  // The next program comes; what the last one wrote, synced or not, is there.
  void restart();

  void set_time(std::int64_t ns_since_epoch) { time_ = ns_since_epoch; }

  void set_free_space(Space space) { space_ = space; }

  // For tests: without faults, and durable at once.
  void put(std::string_view path, std::string_view bytes);
  void put_other(std::string_view path); // a FIFO, a socket, a symbolic link
  void link(std::string_view from, std::string_view to);
  [[nodiscard]] std::optional<std::string> contents(std::string_view path) const;

  spool::Result<std::unique_ptr<spool::File>> open_read(std::string_view path) override;
  spool::Result<std::unique_ptr<spool::File>> create(std::string_view path, unsigned mode) override;
  spool::Result<std::unique_ptr<spool::File>> append_to(std::string_view path, unsigned mode) override;
  spool::Result<spool::FileInfo> info(std::string_view path) override;
  spool::Result<void> rename(std::string_view from, std::string_view to) override;
  spool::Result<void> rename_new(std::string_view from, std::string_view to) override;
  spool::Result<void> remove(std::string_view path) override;
  spool::Result<void> truncate(std::string_view path, std::uint64_t size) override;
  spool::Result<std::vector<std::string>> list(std::string_view directory) override;
  spool::Result<void> make_directory(std::string_view path, unsigned mode) override;
  spool::Result<void> sync_directory(std::string_view path) override;
  spool::Result<void> sync_all() override;
  spool::Result<Space> free_space() override;

 private:
  class OpenFile;

  struct Inode {
    std::uint64_t number = 0;
    bool regular = true;
    std::string bytes;          // as programs see them
    std::string durable;        // as they are on the platter
    std::size_t dirty_from = 0; // what stands behind has yet to be written there
    std::uint64_t links = 0;
    std::int64_t mtime_ns = 0;
  };

  using Entries = std::map<std::string, std::shared_ptr<Inode>, std::less<>>;

  struct Folder {
    Entries entries;
    Entries durable;
  };

  // A folder's entry that was set or (null) removed and isn't durable yet.
  struct Change {
    std::string folder, name;
    std::shared_ptr<Inode> inode;
    std::uint64_t operation = 0; // the same for both sides of a rename
  };

  struct Place {
    Folder* folder = nullptr; // null: no such folder
    std::string folder_name, name;
  };

  [[nodiscard]] Place find(std::string_view path);
  [[nodiscard]] std::shared_ptr<Inode> inode_at(std::string_view path) const;
  [[nodiscard]] int begin(Operation operation, std::string_view path); // an errno, or 0: go on
  spool::Result<std::shared_ptr<Inode>> make(Operation operation, std::string_view path);
  spool::Result<void> move(Operation operation, std::string_view from, std::string_view to, bool replace);
  void set_entry(const Place& place, std::shared_ptr<Inode> inode, std::uint64_t operation);
  static void apply(Entries& entries, const Change& change);
  void write(Inode& inode, std::size_t offset, std::string_view bytes);
  static void bring_down(Inode& inode);

  mutable std::mutex mutex_;
  Profile profile_;
  std::map<std::string, Folder, std::less<>> folders_; // "" is the spool directory itself
  std::vector<Change> unsynced_;                       // oldest first
  Fault fault_;
  std::uint64_t next_inode_ = 1;
  std::uint64_t changes_ = 0;
  std::uint64_t crash_at_ = std::numeric_limits<std::uint64_t>::max();
  bool crashed_ = false;
  std::int64_t time_ = 1'764'000'000'000'000'000; // so that mtimes look like such
  Space space_{std::uint64_t{1} << 40, std::uint64_t{1} << 20};
};

} // namespace bulkmail::simulation
