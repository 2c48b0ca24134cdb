// The tables of keys: everything the program knows of a key stands in one row. The file as a whole has one, the entries
// of each list of tables, [[route]], [[source]], [[site]], [[sender]] and [[dkim]], have one of their own.
#pragma once

#include "agent/config/config.h"

#include <toml++/toml.h>

#include <functional>
#include <span>
#include <string>
#include <string_view>

namespace bulkmail::agent {

template <class Owner>
struct KeyOf {
  std::string name;       // "smtp.timeouts.ehlo", "site.match"
  std::string_view about; // one line for docs/configuration.md
  std::string type;       // "duration, 10ms to 1d"
  // Reads the value into its place. Answers what is wrong with it, "" if nothing.
  std::function<std::string(Owner&, const toml::node&)> read;
  std::function<std::string(const Owner&)> show; // as TOML: `"5m"`; "": it has no value
};

using Key = KeyOf<Config>;

[[nodiscard]] std::span<const Key> all_keys();
[[nodiscard]] const Key* find_key(std::string_view name);
[[nodiscard]] std::span<const KeyOf<SourceEntry>> source_keys();
[[nodiscard]] std::span<const KeyOf<RouteRule>> route_keys();
[[nodiscard]] std::span<const KeyOf<SiteRule>> site_keys();
[[nodiscard]] std::span<const KeyOf<SenderRule>> sender_keys();
[[nodiscard]] std::span<const KeyOf<DkimRule>> dkim_keys();
// What is wrong with an entry behind those before it, "" if nothing.
[[nodiscard]] std::string judge_entry(const RouteRule& entry, std::span<const RouteRule> before);
[[nodiscard]] std::string judge_entry(const SiteRule& entry, std::span<const SiteRule> before);
[[nodiscard]] std::string judge_entry(const SenderRule& entry, std::span<const SenderRule> before);
[[nodiscard]] std::string judge_entry(const SourceEntry& entry, std::span<const SourceEntry> before);
[[nodiscard]] std::string judge_entry(const DkimRule& entry, std::span<const DkimRule> before);
// The list of tables that the name is, or is a key of: "site" for "site.rate"; "" if none.
[[nodiscard]] std::string_view list_of_tables(std::string_view name);
[[nodiscard]] bool is_section(std::string_view name); // "smtp", "smtp.timeouts"

// A key that this program will have once its feature is there; no other name is to be suggested for it.
[[nodiscard]] bool is_planned(std::string_view name);
// What is wrong with a value of such a key; "" if it asks for what this version does anyway.
[[nodiscard]] std::string judge_planned(std::string_view name, const toml::node& node);

// The key or section that is written most alike.
[[nodiscard]] std::string_view nearest_key(std::string_view name);
[[nodiscard]] std::string_view nearest_section(std::string_view name);

} // namespace bulkmail::agent
