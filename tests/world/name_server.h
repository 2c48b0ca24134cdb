// A name server over UDP and TCP. It answers as a recursive resolver would for the names of the world file,
// or as badly as the rules ask. All name servers of a world share one set of names and one count of
// questions.
#pragma once

#include "tests/world/dns_message.h"
#include "tests/world/name_rules.h"
#include "tests/world/scene.h"
#include "tests/world/socket.h"

#include <unordered_map>

namespace bulkmail::world {

using Names = std::unordered_map<std::string, NameRules>;

class NameServer {
 public:
  NameServer(Scene& scene, const Names& names, std::string key);
  ~NameServer();

  // Opens or closes its sockets as the rules say; a port once chosen stays. Throws std::system_error.
  void apply(NameServerRules rules);

  [[nodiscard]] const std::string& key() const { return key_; }

  [[nodiscard]] std::string endpoint() const { return address_.text(); }

 private:
  class Udp;
  class Listener;
  class Connection;

  struct Reply {
    std::vector<std::pair<std::string, bool>> packets; // bytes; whether from another port
    milliseconds delay{0};
    bool close = false; // TCP: closed without an answer
  };

  void open();
  Reply answer(std::string_view packet, std::string_view transport, std::uint16_t from_port);
  [[nodiscard]] dns::Response resolve(const dns::Query& query) const;
  [[nodiscard]] const NameRules* find_name(const std::string& name) const;
  [[nodiscard]] bool is_above_a_name(const std::string& name) const;
  void add_records(const dns::Query& query, const std::string& owner, const NameRules& rules,
                   std::vector<dns::Record>& into) const;
  void ended(Connection& connection);

  Scene& scene_;
  const Names& names_;
  std::string key_;
  NameServerRules rules_;
  SocketAddress address_;
  std::unique_ptr<Udp> udp_;
  std::unique_ptr<Listener> listener_;
  std::unordered_map<Connection*, std::unique_ptr<Connection>> connections_;
};

} // namespace bulkmail::world
