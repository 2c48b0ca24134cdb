// Mail that comes in by LMTP: each message becomes a BSMTP drop, and its 250s go out once it is durable.
//
// Many messages share one sync: what is complete while a group is being synced forms the next one.
#pragma once

#include "agent/seams.h"
#include "resolver/dice.h"
#include "spool/disk.h"
#include "spool/drop/claim.h"
#include "spool/drop/submit.h"
#include "transport/server/lmtp_server.h"

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace bulkmail::agent {

class LmtpIntake {
 public:
  static constexpr std::size_t max_clients = 1000;
  static constexpr std::size_t flush_size = 256 * 1024; // content gathers so far before it goes to tmp/

  // `published`: a drop is whole and durable in new/.
  LmtpIntake(spool::Disk& disk, spool::Ids& ids, transport::LmtpConfig config, Clock& clock, Pool& pool,
             Dice& dice, std::function<void(const std::string& name)> published);
  ~LmtpIntake();

  void accept(std::unique_ptr<Channel> channel);
  void can_accept(bool yes); // false: the spool is full or unwell
  void stop();               // takes no more mail; clients are closed once nothing is owed to them
  void turn();
  [[nodiscard]] bool idle() const; // no message is being taken in or made durable

  [[nodiscard]] std::size_t clients() const { return clients_.size(); }

 private:
  class Client;

  // A message on its way into the spool.
  struct Incoming {
    std::string id;
    std::string unwritten; // bytes of the drop that are not in tmp/ yet
    std::optional<spool::Composition> file;
    std::optional<spool::Error> error;
    std::size_t recipients = 0;
  };
  struct Group;
  std::shared_ptr<Incoming> begin(const spool::Envelope& envelope, std::string_view client);
  static void write_out(spool::Disk& disk, Incoming& message); // blocking
  void complete(Client& client);
  void finish(Group& group);

  spool::Disk& disk_;
  spool::Ids& ids_;
  transport::LmtpConfig config_;
  Clock& clock_;
  Pool& pool_;
  std::function<void(const std::string&)> published_;
  std::uint64_t process_;
  std::uint64_t counter_ = 0;
  bool accepting_ = true, stopping_ = false, syncing_ = false;
  std::list<std::shared_ptr<Client>> clients_;
  std::vector<std::shared_ptr<Client>> complete_; // wait for the next sync
};

} // namespace bulkmail::agent
