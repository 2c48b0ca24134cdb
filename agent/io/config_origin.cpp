#include "agent/io/config_origin.h"

#include "agent/io/descriptor.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace bulkmail::agent {
namespace {

constexpr std::size_t max_file = 1 << 20; // a longer one is some other file

std::expected<std::string, std::string> read_file(const std::string& path) {
  const auto failed = [&](int code) {
    return std::unexpected(fmt::format("{}: {}", path, std::generic_category().message(code)));
  };
  const Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.is_open()) return failed(errno);
  std::string text;
  char block[65'536];
  for (;;) {
    const auto got = ::read(fd.get(), block, sizeof block);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return failed(errno);
    if (got == 0) return text;
    text.append(block, static_cast<std::size_t>(got));
    if (text.size() > max_file) return failed(EFBIG);
  }
}

} // namespace

std::expected<Config, std::vector<std::string>> read_config(const ConfigOrigin& origin) {
  std::string text;
  if (!origin.file.empty()) {
    auto read = read_file(origin.file);
    if (!read) return std::unexpected(std::vector{read.error()});
    text = std::move(*read);
  }
  auto config = load_config(text, origin.file, origin.overrides, origin.hostname);
  if (config) return std::move(*config);
  std::vector<std::string> lines;
  for (const ConfigError& error : config.error()) lines.push_back(error.to_string());
  return std::unexpected(std::move(lines));
}

} // namespace bulkmail::agent
