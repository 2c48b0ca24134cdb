#include "tests/world/fields.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <charconv>

namespace bulkmail::world {

Fields::Fields(const Json& object, std::string path) : object_(object), path_(std::move(path)) {
  if (!object_.is_object())
    throw FileError(fmt::format("{}: must be an object", path_.empty() ? "the file" : path_));
}

const Json* Fields::find(std::string_view key) {
  known_.emplace(key);
  const auto found = object_.find(key);
  return found == object_.end() ? nullptr : &*found;
}

std::optional<bool> Fields::flag(std::string_view key) {
  const auto* value = find(key);
  if (!value) return std::nullopt;
  if (!value->is_boolean()) fail(key, "must be true or false");
  return value->get<bool>();
}

std::optional<std::uint64_t> Fields::count(std::string_view key) {
  const auto* value = find(key);
  if (!value) return std::nullopt;
  if (!value->is_number_unsigned()) fail(key, "must be a number, not negative");
  return value->get<std::uint64_t>();
}

std::optional<milliseconds> Fields::duration(std::string_view key) {
  const auto* value = find(key);
  if (!value) return std::nullopt;
  if (value->is_number_unsigned()) return milliseconds(value->get<std::int64_t>());
  if (!value->is_string()) fail(key, "must be a duration: 500, \"500ms\", \"3s\", \"1m\"");
  const auto& text = value->get_ref<const std::string&>();
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  if (error == std::errc() && number >= 0) {
    if (unit == "ms") return milliseconds(number);
    if (unit == "s") return std::chrono::seconds(number);
    if (unit == "m") return std::chrono::minutes(number);
  }
  fail(key, "must be a duration: 500, \"500ms\", \"3s\", \"1m\"");
}

std::optional<std::string> Fields::text(std::string_view key) {
  const auto* value = find(key);
  if (!value) return std::nullopt;
  if (!value->is_string()) fail(key, "must be a string");
  return value->get<std::string>();
}

std::optional<std::vector<std::string>> Fields::texts(std::string_view key) {
  const auto* value = find(key);
  if (!value) return std::nullopt;
  return one_or_list(*value, path(key));
}

void Fields::finish() const {
  for (const auto& item : object_.items())
    if (!known_.contains(item.key())) fail(item.key(), "no such key");
}

std::string Fields::path(std::string_view key) const {
  return path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key);
}

void Fields::fail(std::string_view key, std::string_view what) const {
  throw FileError(fmt::format("{}: {}", path(key), what));
}

std::vector<std::string> one_or_list(const Json& value, const std::string& path) {
  if (value.is_string()) return {value.get<std::string>()};
  std::vector<std::string> list;
  if (!value.is_array()) throw FileError(path + ": must be a string or a list of strings");
  for (const auto& item : value) {
    if (!item.is_string()) throw FileError(path + ": must be a string or a list of strings");
    list.push_back(item.get<std::string>());
  }
  return list;
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (auto& c : result)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return result;
}

} // namespace bulkmail::world
