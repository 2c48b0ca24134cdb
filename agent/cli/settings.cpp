#include "agent/cli/settings.h"

#include "agent/cli/descriptor.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <system_error>

namespace bulkmail::agent {
namespace {

constexpr const char* usual_file = "/etc/bulkmail/bulkmail.toml";
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

std::string file_to_read(const SettingsSource& source) {
  if (!source.file.empty()) return source.file;
  if (const char* named = std::getenv("BULKMAIL_CONFIG"); named != nullptr && *named != '\0') return named;
  return ::access(usual_file, F_OK) == 0 ? usual_file : "";
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

std::expected<Settings, std::vector<std::string>> load_settings(const SettingsSource& source,
                                                                const std::string& hostname) {
  Settings settings;
  ConfigOrigin& origin = settings.origin;
  origin.file = file_to_read(source);
  origin.hostname = hostname;
  std::vector<std::string> wrong;
  for (const auto& set : source.set) {
    if (auto parsed = Override::parse(set))
      origin.overrides.push_back(std::move(*parsed));
    else
      wrong.push_back(fmt::format("--set: {} is not KEY=VALUE", set));
  }
  if (!source.spool.empty()) origin.overrides.push_back({"spool.path", source.spool, true});
  auto config = read_config(origin);
  if (!config) wrong.insert(wrong.end(), config.error().begin(), config.error().end());
  if (!wrong.empty()) return std::unexpected(std::move(wrong));
  settings.config = std::move(*config);
  return settings;
}

} // namespace bulkmail::agent
