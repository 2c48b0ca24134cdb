#include "agent/io/config_origin.h"

#include "agent/io/dkim_keys.h"
#include "agent/io/secrets.h"
#include "agent/io/text_file.h"

namespace bulkmail::agent {
namespace {

constexpr std::size_t longest_file = 1 << 20;

} // namespace

std::expected<Config, std::vector<std::string>> read_config(const ConfigOrigin& origin) {
  std::string text;
  if (!origin.file.empty()) {
    auto read = read_text_file(origin.file, longest_file);
    if (!read) return std::unexpected(std::vector{read.error()});
    text = std::move(*read);
  }
  auto config = load_config(text, origin.file, origin.overrides, origin.hostname);
  if (!config) {
    std::vector<std::string> lines;
    for (const ConfigError& error : config.error()) lines.push_back(error.to_string());
    return std::unexpected(std::move(lines));
  }
  if (origin.with_secrets) {
    auto wrong = read_secrets(*config);
    for (auto& line : read_dkim_keys(*config)) wrong.push_back(std::move(line));
    if (!wrong.empty()) return std::unexpected(std::move(wrong));
  }
  return std::move(*config);
}

} // namespace bulkmail::agent
