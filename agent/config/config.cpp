#include "agent/config/config.h"

#include "agent/config/keys.h"
#include "agent/config/units.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <type_traits>
#include <utility>

namespace bulkmail::agent {
namespace {

// Walks a TOML table beside the table of keys, and reads what it meets into one Config.
class Reader {
 public:
  Reader(Config& config, std::vector<ConfigError>& errors) : config_(config), errors_(errors) {}

  void file(std::string_view text, const std::string& name) {
    file_ = name;
    try {
      const toml::table table = toml::parse(text, name);
      section(table, "");
    } catch (const toml::parse_error& error) {
      complain(error.source().begin, "", std::string(error.description()));
    }
  }

  void override_key(const Override& override_) {
    file_ = "--set";
    // A value with a line break could be read as more keys than one: it is text.
    if (!override_.verbatim && override_.value.find('\n') == std::string::npos) {
      try {
        const toml::table table = toml::parse("value = " + override_.value);
        return entry(override_.key, *table.get("value"), {});
      } catch (const toml::parse_error&) { // a word without quotes: text
      }
    }
    entry(override_.key, toml::value<std::string>(override_.value), {});
  }

  // What is right by itself, but not beside the rest.
  void judge_sources() {
    const auto& smtp = config_.smtp;
    const auto is_listed = [&](const auto& address) {
      return std::ranges::find(smtp.source, address) != smtp.source.end();
    };
    const auto judge_warmup = [&](std::span<const Rate> steps, const std::string& key, std::size_t entry) {
      for (const Rate& step : steps) {
        if (step.count >= config_.agent.workers) continue;
        return complain_of(
            key, entry,
            fmt::format("{} has fewer recipients than agent.workers is ({}), each of which has "
                        "its part",
                        format_rate(step), config_.agent.workers));
      }
    };
    if (smtp.source.empty() && !smtp.warmup.empty())
      complain_of("smtp.warmup", 0, "is for the addresses of smtp.source, which has none");
    judge_warmup(smtp.warmup, "smtp.warmup", 0);
    for (std::size_t i = 0; i < config_.sources.size(); ++i) {
      const SourceEntry& entry = config_.sources[i];
      if (!is_listed(*entry.address))
        complain_of("source.address", i, fmt::format("{} is not in smtp.source", entry.address->to_string()));
      if (entry.warmup) judge_warmup(*entry.warmup, "source.warmup", i);
    }
    for (std::size_t i = 0; i < config_.sites.size(); ++i) {
      for (const auto& address : config_.sites[i].source)
        if (!is_listed(address))
          complain_of("site.source", i, fmt::format("{} is not in smtp.source", address.to_string()));
    }
  }

 private:
  static constexpr std::size_t most_entries = 1000; // as for the patterns of one

  void section(const toml::table& table, const std::string& path) {
    for (const auto& [key, value] : table)
      entry(path.empty() ? std::string(key.str()) : fmt::format("{}.{}", path, key.str()), value,
            key.source().begin);
  }

  void entry(const std::string& name, const toml::node& node, toml::source_position at) {
    if (const Key* key = find_key(name)) {
      read(*key, config_, node, at);
    } else if (const auto list = list_of_tables(name); !list.empty()) {
      if (list != name)
        complain(at, name,
                 fmt::format("{} is a list of tables: it is set as a whole, {}=[{{…}}]", list, list));
      else if (list == "route")
        tables(config_.routes, route_keys(), node, list, at);
      else if (list == "site")
        tables(config_.sites, site_keys(), node, list, at);
      else if (list == "source")
        tables(config_.sources, source_keys(), node, list, at);
      else if (list == "dkim")
        tables(config_.dkim, dkim_keys(), node, list, at);
      else
        tables(config_.senders, sender_keys(), node, list, at);
    } else if (is_planned(name)) {
      if (auto problem = judge_planned(name, node); !problem.empty()) complain(at, name, std::move(problem));
    } else if (is_section(name)) {
      if (node.is_table()) return section(*node.as_table(), name);
      complain(at, name, fmt::format("{} is a section: its keys stand under [{}]", name, name));
    } else if (node.is_table() || node.is_array_of_tables()) {
      complain(at, name,
               fmt::format("unknown section {}; the nearest known one is {}", name, nearest_section(name)));
    } else {
      unknown_key(name, at);
    }
  }

  template <class Entry>
  void tables(std::vector<Entry>& into, std::span<const KeyOf<Entry>> keys, const toml::node& node,
              std::string_view list, toml::source_position at) {
    const auto* array = node.as_array();
    if (array == nullptr || !std::ranges::all_of(*array, [](const auto& item) { return item.is_table(); }))
      return complain(at, std::string(list),
                      fmt::format("{} is a list of tables: each begins with [[{}]]", list, list));
    if (array->size() > most_entries)
      return complain(
          at, std::string(list),
          fmt::format("{} must have at most {} tables, not {}", list, most_entries, array->size()));
    std::vector<Entry> entries;
    for (const toml::node& item : *array) {
      entry_ = entries.size();
      Entry entry;
      const std::size_t errors = errors_.size();
      for (const auto& [key, value] : *item.as_table())
        entry_key(entry, keys, fmt::format("{}.{}", list, key.str()), value,
                  at.line == 0 ? at : key.source().begin);
      if (errors == errors_.size()) // else what is missing may be what is wrong
        if (auto problem = judge_entry(entry, entries); !problem.empty())
          complain(at.line == 0 ? at : item.source().begin, std::string(list), std::move(problem));
      entries.push_back(std::move(entry));
    }
    into = std::move(entries);
  }

  template <class Entry>
  void entry_key(Entry& entry, std::span<const KeyOf<Entry>> keys, const std::string& name,
                 const toml::node& value, toml::source_position at) {
    const auto key = std::ranges::find(keys, name, &KeyOf<Entry>::name);
    if (key == keys.end()) return unknown_key(name, at);
    read(*key, entry, value, at);
  }

  template <class Owner>
  void read(const KeyOf<Owner>& key, Owner& owner, const toml::node& node, toml::source_position at) {
    const auto begin = at.line == 0 ? at : node.source().begin;
    places_[{std::string(key.name), std::is_same_v<Owner, Config> ? 0 : entry_}] = {file_, begin};
    if (auto problem = key.read(owner, node); !problem.empty())
      complain(begin, std::string(key.name), fmt::format("{} {}", key.name, problem));
  }

  void complain_of(const std::string& key, std::size_t entry, std::string_view text) {
    const Place& place = places_.at({key, entry});
    errors_.push_back({place.file, place.at.line, place.at.column, key, fmt::format("{} {}", key, text)});
  }

  void unknown_key(const std::string& name, toml::source_position at) {
    complain(at, name, fmt::format("unknown key {}; the nearest known one is {}", name, nearest_key(name)));
  }

  void complain(toml::source_position at, std::string key, std::string text) {
    errors_.push_back({file_, at.line, at.column, std::move(key), std::move(text)});
  }

  Config& config_;
  std::vector<ConfigError>& errors_;
  std::string file_;

  struct Place {
    std::string file;
    toml::source_position at;
  };

  std::size_t entry_ = 0;                                       // of a list of tables
  std::map<std::pair<std::string, std::size_t>, Place> places_; // of the values, by key and entry
};

} // namespace

std::vector<bulkmail::resolver::IpAddress> Config::warming() const {
  auto addresses = smtp.source;
  std::erase_if(addresses, [&](const auto& address) { return warmup_of(address).empty(); });
  return addresses;
}

std::vector<Rate> Config::warmup_of(const bulkmail::resolver::IpAddress& source) const {
  const auto entry = std::ranges::find(sources, source, &SourceEntry::address);
  return entry == sources.end() ? smtp.warmup : entry->warmup.value_or(smtp.warmup);
}

std::string Config::hostname_of(const std::optional<bulkmail::resolver::IpAddress>& source) const {
  const auto entry = std::ranges::find(sources, source, &SourceEntry::address);
  return !source || entry == sources.end() || entry->hostname.empty() ? hostname : entry->hostname;
}

std::string Config::lmtp_socket() const {
  if (listen.lmtp.empty()) return {};
  const auto socket = listen.lmtp.substr(std::string_view("unix:").size());
  return socket.starts_with('/') ? socket : fmt::format("{}/{}", spool.path, socket);
}

std::string ConfigError::to_string() const {
  return line == 0 ? fmt::format("{}: {}", file, text)
                   : fmt::format("{}:{}:{}: {}", file, line, column, text);
}

std::optional<Override> Override::parse(std::string_view text) {
  const auto equals = text.find('=');
  if (equals == std::string_view::npos || equals == 0) return std::nullopt;
  return Override{std::string(text.substr(0, equals)), std::string(text.substr(equals + 1))};
}

std::expected<Config, std::vector<ConfigError>> load_config(std::string_view text, const std::string& file,
                                                            std::span<const Override> overrides,
                                                            const std::string& hostname) {
  Config config;
  config.hostname = hostname;
  std::vector<ConfigError> errors;
  Reader reader(config, errors);
  reader.file(text, file);
  for (const Override& override_ : overrides) reader.override_key(override_);
  if (errors.empty()) reader.judge_sources();
  if (errors.empty()) return config;
  // Tables come sorted by key; people read from the top down.
  std::ranges::stable_sort(errors, [](const ConfigError& a, const ConfigError& b) {
    const bool a_in_file = a.line != 0, b_in_file = b.line != 0;
    if (a_in_file != b_in_file) return a_in_file;
    return std::pair(a.line, a.column) < std::pair(b.line, b.column);
  });
  return std::unexpected(std::move(errors));
}

} // namespace bulkmail::agent
