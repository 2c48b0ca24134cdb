#include "agent/io/secrets.h"

#include "agent/io/text_file.h"

#include <fmt/format.h>

#include <algorithm>

namespace bulkmail::agent {
namespace {

constexpr std::size_t longest = 64 * 1024; // a token may have some kilobytes

std::expected<std::string, std::string> read_secret(const std::string& path) {
  auto file = read_private_file(path, longest);
  if (!file) return std::unexpected(std::move(file.error()));
  std::string secret = file->substr(0, file->find_first_of("\r\n"));
  if (secret.empty() || secret.contains('\0'))
    return std::unexpected(fmt::format("{}: its first line is no secret", path));
  return secret;
}

} // namespace

std::vector<std::string> read_secrets(Config& config) {
  std::vector<std::string> wrong;
  const auto read = [&](const std::string& path, std::string& into) {
    if (path.empty()) return;
    if (auto secret = read_secret(path))
      into = std::move(*secret);
    else if (std::ranges::find(wrong, secret.error()) == wrong.end()) // routes may share one
      wrong.push_back(std::move(secret.error()));
  };
  for (RouteRule& route : config.routes) {
    read(route.password_file, route.password);
    read(route.token_file, route.token);
  }
  return wrong;
}

} // namespace bulkmail::agent
