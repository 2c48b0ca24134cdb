// A ledger on a disk in memory, with a clock that goes from deadline to deadline. Claims as the agent does: the file is
// renamed from new/ to cur/ and parsed.
#pragma once

#include "spool/ledger.h"
#include "tests/simulation/memory_disk.h"

#include <nlohmann/json.hpp>

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace bulkmail::spool {

using simulation::MemoryDisk;

// A nullmailer drop from list@example.org.
[[nodiscard]] std::string drop_for(const std::vector<std::string>& recipients);
[[nodiscard]] Outcome relayed();
[[nodiscard]] Outcome failed_for_good();
[[nodiscard]] Outcome delayed_until(Wall next);

class LedgerRig {
 public:
  explicit LedgerRig(MemoryDisk& disk, LedgerConfig config = standard());
  static LedgerConfig standard();

  Recovered& recover(); // throws if the spool is unusable
  Message& claim(const std::string& name, const std::string& id = {});
  void settle(const std::string& id, std::vector<std::uint32_t> recipients, Outcome outcome);
  void settle_all(const std::string& id, Outcome outcome);

  void work();                  // all jobs that are due
  void pass(milliseconds time); // goes there from deadline to deadline
  void finish();                // until nothing is pending, at most a few minutes

  [[nodiscard]] Message& message(const std::string& id) { return *messages.at(id); }

  [[nodiscard]] bool has(const std::string& id) const { return messages.contains(id); }

  [[nodiscard]] nlohmann::json status(const std::string& id) const; // null: there is none
  [[nodiscard]] std::vector<nlohmann::json> results() const;        // of the current file

  MemoryDisk& disk;
  Ids ids;
  Ledger ledger;
  Now now;
  std::map<std::string, std::unique_ptr<Message>> messages; // by id, those not closed
  std::vector<std::string> closed;
  Recovered recovered;
  std::size_t jobs = 0; // run so far
};

} // namespace bulkmail::spool
