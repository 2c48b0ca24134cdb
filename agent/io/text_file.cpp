#include "agent/io/text_file.h"

#include "agent/io/descriptor.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace bulkmail::agent {

std::expected<TextFile, std::string> read_text_file(const std::string& path, std::size_t longest) {
  const auto failed = [&](int code) {
    return std::unexpected(fmt::format("{}: {}", path, std::generic_category().message(code)));
  };
  const Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.is_open()) return failed(errno);
  struct stat info{};
  if (::fstat(fd.get(), &info) != 0) return failed(errno);
  TextFile file;
  file.mode = info.st_mode & 07777U;
  char block[65'536];
  for (;;) {
    const auto got = ::read(fd.get(), block, sizeof block);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return failed(errno);
    if (got == 0) return file;
    file.text.append(block, static_cast<std::size_t>(got));
    if (file.text.size() > longest) return failed(EFBIG);
  }
}

} // namespace bulkmail::agent
