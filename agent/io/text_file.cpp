#include "agent/io/text_file.h"

#include "agent/io/descriptor.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace bulkmail::agent {
namespace {

constexpr mode_t permissions = 07777, not_private = S_IWGRP | S_IRWXO;

std::expected<std::string, std::string> read(const std::string& path, std::size_t longest, mode_t forbidden) {
  const auto failed = [&](int code) {
    return std::unexpected(fmt::format("{}: {}", path, std::generic_category().message(code)));
  };
  const Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.is_open()) return failed(errno);
  struct stat info{};
  if (::fstat(fd.get(), &info) != 0) return failed(errno);
  if ((info.st_mode & forbidden) != 0)
    return std::unexpected(fmt::format("{}: others can read or change it (mode {:04o}): chmod 0640 it", path,
                                       info.st_mode & permissions));
  std::string text;
  char block[65'536];
  for (;;) {
    const auto got = ::read(fd.get(), block, sizeof block);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return failed(errno);
    if (got == 0) return text;
    text.append(block, static_cast<std::size_t>(got));
    if (text.size() > longest) return failed(EFBIG);
  }
}

} // namespace

std::expected<std::string, std::string> read_text_file(const std::string& path, std::size_t longest) {
  return read(path, longest, 0);
}

std::expected<std::string, std::string> read_private_file(const std::string& path, std::size_t longest) {
  return read(path, longest, not_private);
}

} // namespace bulkmail::agent
