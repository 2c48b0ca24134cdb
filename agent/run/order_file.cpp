#include "agent/run/order_file.h"

#include <memory>
#include <utility>

namespace bulkmail::agent {

spool::Result<void> OrderFile::recover() {
  auto read = read_standing_orders(disk_);
  if (!read) return std::unexpected(read.error());
  orders_ = *std::move(read);
  return {};
}

void OrderFile::save(Done done) {
  wanted_ = true;
  commit_ = ledger_.commit_now();
  if (done) waiting_.push_back(std::move(done));
}

void OrderFile::turn() {
  if (writing_ || !wanted_ || !ledger_.is_durable(commit_)) return;
  wanted_ = false;
  writing_ = true;

  struct Write {
    std::string text;
    std::vector<Done> waiting;
    spool::Result<void> result;
  };

  auto write = std::make_shared<Write>(Write{orders_.serialise(), std::exchange(waiting_, {}), {}});
  pool_.run([write, &disk = disk_] { write->result = write_standing_orders(disk, write->text); },
            [this, write] {
              writing_ = false;
              for (const Done& done : write->waiting) done(write->result);
            });
}

} // namespace bulkmail::agent
