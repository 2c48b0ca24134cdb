#include "spool/posix_disk.h"

#include <catch2/catch.hpp>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <string>

using namespace bulkmail::spool;
namespace fs = std::filesystem;

namespace {

struct Folder {
  Folder() {
    std::string pattern = (fs::temp_directory_path() / "bulkmail-disk-XXXXXX").string();
    path = ::mkdtemp(pattern.data());
    disk = std::move(*open_posix_disk(path));
  }

  ~Folder() { fs::remove_all(path); }

  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  [[nodiscard]] unsigned mode(const std::string& name) const {
    struct stat found{};
    ::stat((path / name).c_str(), &found);
    return found.st_mode & 07777;
  }

  [[nodiscard]] std::string read(const std::string& name) const {
    auto file = disk->open_read(name);
    std::string bytes(100, '\0');
    bytes.resize(*(*file)->read_at(0, bytes));
    return bytes;
  }

  fs::path path;
  std::unique_ptr<Disk> disk;
};

} // namespace

TEST_CASE("a spool must be a folder") {
  CHECK(open_posix_disk("/dev/null").error().code == ENOTDIR);
  CHECK(open_posix_disk("/nowhere/at/all").error().code == ENOENT);
}

TEST_CASE("files are made, appended to, overwritten, cut and read") {
  const Folder folder;
  {
    auto file = folder.disk->create("a", 0640);
    REQUIRE(file);
    REQUIRE((*file)->append("hello "));
    REQUIRE((*file)->append("world"));
    REQUIRE((*file)->write_at(0, "J"));
    REQUIRE((*file)->append("!"));
    REQUIRE((*file)->sync_data());
    CHECK((*file)->info()->size == 12);
  }
  CHECK(folder.read("a") == "Jello world!");
  CHECK(folder.disk->create("a", 0640).error().code == EEXIST);
  REQUIRE(folder.disk->truncate("a", 5));
  REQUIRE((*folder.disk->append_to("a", 0640))->append("?"));
  CHECK(folder.read("a") == "Jello?");
  REQUIRE((*folder.disk->append_to("b", 0640))->append("new"));
  CHECK(folder.read("b") == "new");
  std::array<char, 3> part{};
  CHECK(*(*folder.disk->open_read("a"))->read_at(4, part) == 2);
}

TEST_CASE("an open file is appended to behind a cut made under its name") {
  const Folder folder;
  auto file = *folder.disk->append_to("a", 0600);
  REQUIRE(file->append("good torn"));
  REQUIRE(folder.disk->truncate("a", 5));
  REQUIRE(file->append("again"));
  CHECK(folder.read("a") == "good again");
}

TEST_CASE("modes hold whatever the umask is") {
  const mode_t before = ::umask(077);
  {
    const Folder folder;
    REQUIRE(folder.disk->create("a", 0660));
    REQUIRE(folder.disk->make_directory("new", 03770));
    REQUIRE(folder.disk->make_directory("new", 0700)); // there already: nothing
    CHECK(folder.mode("a") == 0660);
    CHECK(folder.mode("new") == 03770);
    CHECK(folder.disk->make_directory("a", 0700).error().code == ENOTDIR);
  }
  ::umask(before);
}

TEST_CASE("what root makes belongs to the spool's owner") {
  if (::geteuid() != 0) return; // nobody else can give files away
  Folder folder;
  REQUIRE(::chown(folder.path.c_str(), 1234, 5678) == 0);
  folder.disk = std::move(*open_posix_disk(folder.path));
  REQUIRE(folder.disk->create("a", 0640));
  REQUIRE(folder.disk->append_to("b", 0640));
  REQUIRE(folder.disk->make_directory("c", 02770));
  for (const char* name : {"a", "b", "c"}) {
    struct stat found{};
    REQUIRE(::stat((folder.path / name).c_str(), &found) == 0);
    CHECK(found.st_uid == 1234);
    CHECK(found.st_gid == 5678);
  }
  CHECK(folder.mode("c") == 02770);
}

TEST_CASE("what is no regular file is never opened, followed or waited for") {
  const Folder folder;
  REQUIRE((*folder.disk->create("target", 0600))->append("secret"));
  REQUIRE(::symlink("target", (folder.path / "link").c_str()) == 0);
  REQUIRE(::mkfifo((folder.path / "fifo").c_str(), 0600) == 0);
  REQUIRE(folder.disk->make_directory("folder", 0700));
  for (const char* name : {"link", "fifo", "folder"}) {
    CHECK(folder.disk->open_read(name).error().code == EINVAL);
    CHECK_FALSE(folder.disk->append_to(name, 0600));
  }
  CHECK(folder.disk->info("link")->kind == FileInfo::Kind::other);
  CHECK(folder.disk->info("fifo")->kind == FileInfo::Kind::other);
  CHECK(folder.disk->info("folder")->kind == FileInfo::Kind::directory);
  CHECK_FALSE(folder.disk->truncate("link", 0));
  CHECK(folder.read("target") == "secret");
}

TEST_CASE("a rename replaces or refuses, as asked") {
  const Folder folder;
  REQUIRE((*folder.disk->create("a", 0600))->append("a"));
  REQUIRE((*folder.disk->create("b", 0600))->append("b"));
  CHECK(folder.disk->rename_new("a", "b").error().code == EEXIST);
  CHECK(folder.read("b") == "b");
  const auto inode = folder.disk->info("a")->inode;
  REQUIRE(folder.disk->rename("a", "b"));
  CHECK(folder.disk->info("b")->inode == inode);
  REQUIRE(folder.disk->rename_new("b", "c"));
  CHECK(*folder.disk->list(".") == std::vector<std::string>{"c"});
  REQUIRE(folder.disk->remove("c"));
  const auto gone = folder.disk->remove("c");
  CHECK(gone.error().code == ENOENT);
  CHECK(gone.error().text == "unlink c: No such file or directory");
}

TEST_CASE("hard links, sizes and times are told") {
  const Folder folder;
  REQUIRE((*folder.disk->create("a", 0600))->append("12345"));
  REQUIRE(::link((folder.path / "a").c_str(), (folder.path / "b").c_str()) == 0);
  const auto info = folder.disk->info("a");
  CHECK(info->links == 2);
  CHECK(info->size == 5);
  CHECK(info->mtime_ns > 1'500'000'000'000'000'000);
}

TEST_CASE("everything can be synced, and the space left be asked") {
  const Folder folder;
  REQUIRE(folder.disk->make_directory("a", 0700));
  CHECK(folder.disk->sync_directory("a"));
  CHECK(folder.disk->sync_directory("."));
  CHECK(folder.disk->sync_all());
  CHECK(folder.disk->free_space()->bytes > 0);
}

TEST_CASE("a path that no kernel takes names nothing") {
  const Folder folder;
  CHECK_FALSE(folder.disk->info(std::string(5'000, 'x')));
  CHECK_FALSE(folder.disk->info(std::string("a\0b", 3)));
  CHECK_FALSE(folder.disk->create(std::string(300, 'x'), 0600));
}
