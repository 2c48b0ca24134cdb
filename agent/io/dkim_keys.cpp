#include "agent/io/dkim_keys.h"

#include "agent/io/text_file.h"

#include <fmt/format.h>
#include <openssl/crypto.h>

namespace bulkmail::agent {
namespace {

constexpr std::size_t longest = 64 * 1024; // an RSA key of 4096 bits has 3.2 KB

std::expected<transport::DkimKey, std::string> read_key(const std::string& path) {
  auto file = read_private_file(path, longest);
  if (!file) return std::unexpected(std::move(file.error()));
  auto key = transport::DkimKey::parse(*file);
  OPENSSL_cleanse(file->data(), file->size());
  if (!key) return std::unexpected(fmt::format("{} {}", path, key.error()));
  return key;
}

} // namespace

std::vector<std::string> read_dkim_keys(Config& config) {
  std::vector<std::string> wrong;
  for (DkimRule& rule : config.dkim) {
    auto key = read_key(rule.key_file);
    if (key)
      rule.key = *std::move(key);
    else
      wrong.push_back(fmt::format("dkim.key_file of {}, {}: {}", rule.selector, rule.domain, key.error()));
  }
  return wrong;
}

} // namespace bulkmail::agent
