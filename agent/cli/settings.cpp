#include "agent/cli/settings.h"

#include "agent/io/config_origin.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>

namespace bulkmail::agent {
namespace {

constexpr const char* usual_file = "/etc/bulkmail/bulkmail.toml";

std::string file_to_read(const SettingsSource& source) {
  if (!source.file.empty()) return source.file;
  if (const char* named = std::getenv("BULKMAIL_CONFIG"); named != nullptr && *named != '\0') return named;
  return ::access(usual_file, F_OK) == 0 ? usual_file : "";
}

} // namespace

std::expected<Settings, std::vector<std::string>>
load_settings(const SettingsSource& source, const std::string& hostname, bool with_secrets) {
  Settings settings;
  ConfigOrigin& origin = settings.origin;
  origin.file = file_to_read(source);
  origin.hostname = hostname;
  origin.with_secrets = with_secrets;
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
