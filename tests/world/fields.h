// Reads one JSON object of a world file and insists on knowing every key of it: a misspelt behaviour would
// otherwise be a test that passes for the wrong reason. Throws FileError with the path of what is wrong
// ("hosts.mx1.at.rcpt").
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace bulkmail::world {

using Json = nlohmann::json;
using std::chrono::milliseconds;

struct FileError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class Fields {
 public:
  Fields(const Json& object, std::string path);

  // Null when the key is absent. A key that was asked for is known from then on.
  const Json* find(std::string_view key);

  std::optional<bool> flag(std::string_view key);
  std::optional<std::uint64_t> count(std::string_view key);
  std::optional<milliseconds> duration(std::string_view key);
  std::optional<std::string> text(std::string_view key);
  std::optional<std::vector<std::string>> texts(std::string_view key); // one string or a list

  // Throws if the object has a key that nobody asked for.
  void finish() const;

  [[nodiscard]] std::string path(std::string_view key) const;
  [[noreturn]] void fail(std::string_view key, std::string_view what) const;

 private:
  const Json& object_;
  std::string path_;
  std::set<std::string, std::less<>> known_;
};

std::vector<std::string> one_or_list(const Json& value, const std::string& path);

std::string lower(std::string_view text);

} // namespace bulkmail::world
