// All of it: the name servers and mail hosts of one world file, from start to summary.
#pragma once

#include "tests/world/mail_host.h"
#include "tests/world/name_server.h"
#include "tests/world/world_file.h"

namespace bulkmail::world {

class World {
 public:
  explicit World(const WorldFile& file); // binds everything; throws std::system_error

  void reload(const WorldFile& file); // ports and counters stay
  [[nodiscard]] std::string ready_json() const;

  [[nodiscard]] Scene& scene() { return scene_; }

  void finish(); // ends what is open, so that the tally is complete

 private:
  void open_hosts(const WorldFile& file);

  Scene scene_;
  Names names_;
  std::vector<std::unique_ptr<NameServer>> name_servers_;
  std::map<std::string, std::unique_ptr<MailHost>> hosts_;
  std::uint16_t smtp_port_ = 0;
};

} // namespace bulkmail::world
