// A transport that routes can name. The table of kinds.cpp has a row for each; docs/transports.md shows how to add one.
#pragma once

#include "transport/kinds/delivery.h"

#include <chrono>
#include <cstdint>
#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace bulkmail::transport::kinds {

// A key of [[route]] that only one kind has.
struct Option {
  enum class Type : std::uint8_t { text, list, duration };
  std::string_view name;
  Type type = Type::text;
  std::string_view what;  // "path", for people
  std::string_view about; // a line for docs/configuration.md
};

using OptionValue = std::variant<std::string, std::vector<std::string>, std::chrono::milliseconds>;
using Options = std::map<std::string, OptionValue, std::less<>>;

struct Kind {
  std::string_view name;

  // How it goes: in sessions of transport/client with mail hosts, …
  enum class Sessions : std::uint8_t { none, smtp, lmtp } sessions = Sessions::none;
  std::uint16_t port = 0; // of its own; 0: smtp.port

  // … or as a Delivery, made of the route's options, or what is wrong with those.
  using Made = std::expected<std::shared_ptr<const Delivery>, std::string>;
  std::span<const Option> options{};
  Made (*make)(const Options& options) = nullptr;
};

[[nodiscard]] std::span<const Kind> kinds();
[[nodiscard]] const Kind* find_kind(std::string_view name);

// An option's value, or null if it was not given.
template <class T>
[[nodiscard]] const T* find_option(const Options& options, std::string_view name) {
  const auto found = options.find(name);
  return found == options.end() ? nullptr : std::get_if<T>(&found->second);
}

} // namespace bulkmail::transport::kinds
