#include "tests/world/world_file.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <fstream>
#include <sstream>

namespace bulkmail::world {
namespace {

using Ordered = nlohmann::ordered_json;

constexpr std::uint64_t most_generated = 1'000'000;

std::string numbered(const std::string& pattern, std::uint64_t number) {
  const auto at = pattern.find("%d");
  return at == std::string::npos ? pattern
                                 : pattern.substr(0, at) + std::to_string(number) + pattern.substr(at + 2);
}

// Host n of "127.0.2.%d": past .254 the third octet goes up.
std::string numbered_address(const std::string& pattern, std::uint64_t number, const std::string& path) {
  unsigned a = 0, b = 0, c = 0;
  char end = 0;
  if (std::sscanf(pattern.c_str(), "%u.%u.%u.%%%c", &a, &b, &c, &end) != 4 || end != 'd')
    throw FileError(path + ": must be like \"127.0.2.%d\"");
  const auto carry = (number - 1) / 254;
  if (c + carry > 255) throw FileError(path + ": too many hosts for this address");
  return fmt::format("{}.{}.{}.{}", a, b, c + carry, (number - 1) % 254 + 1);
}

// Lays `over` onto the entry `key`, key by key.
void lay_over(Json& into, const std::string& key, const Json& over, const std::string& path) {
  if (!over.is_object()) throw FileError(path + ": must be an object");
  auto& entry = into[lower(key)];
  if (entry.is_null()) entry = Json::object();
  for (const auto& item : over.items()) entry[item.key()] = item.value();
}

void generate(const Json& value, const std::string& path, Json& hosts, Json& names) {
  Fields fields(value, path);
  const auto domains = fields.text("domains").value_or("d%d.example");
  const auto host_names = fields.text("hosts").value_or("mx%d.example");
  const auto address = fields.text("address").value_or("127.0.2.%d");
  const auto first = fields.count("first").value_or(1);
  const auto count = fields.count("count").value_or(1);
  const auto host_count = fields.count("host_count").value_or(1);
  const auto mx = fields.count("mx").value_or(1);
  const auto* host = fields.find("host");
  const auto* name = fields.find("name");
  const auto ttl = fields.count("ttl").value_or(300);
  if (host_count == 0 || mx > host_count) fields.fail("host_count", "must be at least 1, and at least `mx`");
  if (count > most_generated || host_count > most_generated) fields.fail("count", "too many");
  fields.finish();

  for (std::uint64_t i = 1; i <= host_count; ++i) {
    const auto key = numbered(host_names, i);
    lay_over(hosts, key, Json{{"address", numbered_address(address, i, fields.path("address"))}}, path);
    if (host) lay_over(hosts, key, *host, fields.path("host"));
  }
  for (std::uint64_t i = first; i < first + count; ++i) {
    auto records = Json::array();
    for (std::uint64_t k = 0; k < mx; ++k)
      records.push_back(
          fmt::format("{} {}", 10 * (k + 1), numbered(host_names, (i - 1 + k) % host_count + 1)));
    const auto key = numbered(domains, i);
    lay_over(names, key, Json{{"MX", std::move(records)}, {"ttl", ttl}}, path);
    if (name) lay_over(names, key, *name, fields.path("name"));
  }
}

} // namespace

WorldFile WorldFile::parse(std::string_view text) try {
  WorldFile world;
  const auto json = Json::parse(text);
  const auto ordered = Ordered::parse(text); // for the order of the name servers
  Fields fields(json, "");
  world.log = fields.text("log").value_or("");
  world.certificates = fields.text("certificates").value_or("");
  world.summary = fields.text("summary").value_or("");
  world.save = fields.text("save").value_or("");
  world.log_commands = fields.flag("log_commands").value_or(false);
  world.log_messages = fields.flag("log_messages").value_or(true);
  world.sha256 = fields.flag("sha256").value_or(true);
  const auto port = fields.count("smtp_port").value_or(0);
  if (port > 65535) fields.fail("smtp_port", "must be at most 65535");
  world.smtp_port = static_cast<std::uint16_t>(port);

  if (const auto* servers = fields.find("name_servers")) {
    const Fields entries(*servers, "name_servers");
    for (const auto& item : ordered["name_servers"].items())
      world.name_servers.emplace_back(
          item.key(), NameServerRules::read((*servers)[item.key()], entries.path(item.key())));
  }
  if (world.name_servers.empty()) world.name_servers.emplace_back("ns", NameServerRules{});

  Json hosts = Json::object(), names = Json::object();
  if (const auto* list = fields.find("generate")) {
    if (!list->is_array()) fields.fail("generate", "must be a list");
    for (std::size_t i = 0; i < list->size(); ++i)
      generate((*list)[i], fmt::format("generate.{}", i), hosts, names);
  }
  for (auto [key, into] : {std::pair{"hosts", &hosts}, std::pair{"names", &names}})
    if (const auto* entries = fields.find(key)) {
      const Fields checked(*entries, key);
      for (const auto& item : entries->items())
        lay_over(*into, item.key(), item.value(), checked.path(item.key()));
    }
  fields.finish();

  for (const auto& item : hosts.items())
    world.hosts.emplace(item.key(), HostRules::read(item.value(), "hosts." + item.key()));
  for (const auto& item : names.items())
    world.names.emplace(item.key(), NameRules::read(item.value(), "names." + item.key()));
  for (const auto& [name, host] : world.hosts) {
    if (world.names.contains(name)) continue;
    auto& rules = world.names[name];
    for (const auto& address : host.addresses) rules.add_address(address, "hosts." + name + ".address");
  }
  return world;
} catch (const Json::exception& error) {

  throw FileError(error.what());
}

WorldFile WorldFile::read(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  if (!file || !(text << file.rdbuf())) throw FileError(path + ": can't be read");
  try {
    return parse(text.view());
  } catch (const FileError& error) {
    throw FileError(path + ": " + error.what());
  }
}

} // namespace bulkmail::world
