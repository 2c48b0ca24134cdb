#include "tests/world/world.h"

#include <unistd.h>

#include <filesystem>

namespace bulkmail::world {
World::World(const WorldFile& file) : scene_(file.log) {
  scene_.log_commands = file.log_commands;
  scene_.log_messages = file.log_messages;
  scene_.sha256 = file.sha256;
  scene_.save = file.save;
  scene_.certificates = file.certificates;
  for (const std::string& folder : {file.save, file.certificates})
    if (!folder.empty()) std::filesystem::create_directories(folder);
  scene_.loop.before_wait([this] { scene_.log.flush(); });
  names_ = file.names;
  for (const auto& [key, rules] : file.name_servers) {
    name_servers_.push_back(std::make_unique<NameServer>(scene_, names_, key));
    name_servers_.back()->apply(rules);
  }
  open_hosts(file);
}

// All hosts share one port. With none given: one that is free for every address.
void World::open_hosts(const WorldFile& file) {
  for (const auto& [name, rules] : file.hosts) hosts_.emplace(name, std::make_unique<MailHost>(scene_, name));
  for (int attempt = 1;; ++attempt) {
    smtp_port_ = file.smtp_port;
    if (smtp_port_ == 0)
      smtp_port_ =
          local_address(bound_socket(SOCK_STREAM, SocketAddress::loopback("127.0.0.1", 0), 1).get()).port();
    try {
      for (const auto& [name, rules] : file.hosts) hosts_.at(name)->apply(rules, smtp_port_);
      return;
    } catch (const std::system_error&) {
      if (file.smtp_port != 0 || attempt == port_attempts) throw;
    }
  }
}

void World::reload(const WorldFile& file) {
  names_ = file.names;
  for (const auto& [key, rules] : file.name_servers)
    for (const auto& server : name_servers_)
      if (server->key() == key) server->apply(rules);
  for (const auto& [name, rules] : file.hosts) {
    auto& host = hosts_[name];
    if (!host) host = std::make_unique<MailHost>(scene_, name);
    host->apply(rules, smtp_port_);
  }
}

std::string World::ready_json() const {
  std::string out = fmt::format("{{\"pid\":{},\"smtp_port\":{},\"resolver_servers\":[", getpid(), smtp_port_);
  const char* comma = "";
  for (const auto& server : name_servers_) {
    out += comma;
    append_json(out, server->endpoint());
    comma = ",";
  }
  out += "],\"dns\":{";
  comma = "";
  for (const auto& server : name_servers_) {
    out += comma;
    append_json(out, server->key());
    out += ':';
    append_json(out, server->endpoint());
    comma = ",";
  }
  out += "},\"hosts\":{";
  comma = "";
  for (const auto& [name, host] : hosts_) {
    out += comma;
    append_json(out, name);
    out += ":[";
    for (const auto& address : host->rules().addresses) {
      if (&address != &host->rules().addresses.front()) out += ',';
      append_json(out, address);
    }
    out += ']';
    comma = ",";
  }
  out += "}}";
  return out;
}

void World::finish() {
  for (const auto& [name, host] : hosts_) host->end_all();
  scene_.log.flush();
}

} // namespace bulkmail::world
