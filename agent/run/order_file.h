// Keeps the standing orders on the disk: one write at a time, and each only after the journal has what it rests on, so that
// the numbers in it mean something after a crash.
//
//   file.orders().hold(…);
//   file.save([reply](const spool::Result<void>& saved) { … });   // called once it is durable, or can't be
//   each turn: file.turn();
#pragma once

#include "agent/run/standing_orders.h"
#include "agent/seams.h"
#include "spool/ledger.h"

#include <cstdint>
#include <functional>
#include <vector>

namespace bulkmail::agent {

class OrderFile {
 public:
  using Done = std::function<void(const spool::Result<void>&)>;

  OrderFile(spool::Disk& disk, Pool& pool, spool::Ledger& ledger)
      : disk_(disk),
        pool_(pool),
        ledger_(ledger) {}

  [[nodiscard]] spool::Result<void> recover(); // blocking

  [[nodiscard]] StandingOrders& orders() {
    return orders_;
  } // whoever changes them saves them in the same turn

  [[nodiscard]] const StandingOrders& orders() const { return orders_; }

  void save(Done done = {});
  void turn();

  [[nodiscard]] bool idle() const { return !writing_ && !wanted_; }

 private:
  spool::Disk& disk_;
  Pool& pool_;
  spool::Ledger& ledger_;
  StandingOrders orders_;
  bool wanted_ = false, writing_ = false;
  std::uint64_t commit_ = 0;  // of the journal, that the next write waits for
  std::vector<Done> waiting_; // for the next write
};

} // namespace bulkmail::agent
