// The table of keys: everything the program knows of a key stands in one row of it.
#pragma once

#include "agent/config/config.h"

#include <toml++/toml.h>

#include <functional>
#include <span>
#include <string>
#include <string_view>

namespace bulkmail::agent {

struct Key {
  std::string_view name;  // "smtp.timeouts.ehlo"
  std::string_view about; // one line for docs/configuration.md
  std::string type;       // "duration, 10ms to 1d"
  // Reads the value into its place. Answers what is wrong with it, "" if nothing.
  std::function<std::string(Config&, const toml::node&)> read;
  std::function<std::string(const Config&)> show; // as TOML: `"5m"`
};

[[nodiscard]] std::span<const Key> all_keys();
[[nodiscard]] const Key* find_key(std::string_view name);
[[nodiscard]] bool is_section(std::string_view name); // "smtp", "smtp.timeouts"

// A key that this program will have once its feature is there; no other name is to be suggested for it.
[[nodiscard]] bool is_planned(std::string_view name);
// What is wrong with a value of such a key; "" if it asks for what this version does anyway.
[[nodiscard]] std::string judge_planned(std::string_view name, const toml::node& node);

// The key or section that is written most alike.
[[nodiscard]] std::string_view nearest_key(std::string_view name);
[[nodiscard]] std::string_view nearest_section(std::string_view name);

} // namespace bulkmail::agent
