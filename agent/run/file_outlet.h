// A file as an Outlet: written under a temporary name and made durable, then renamed to its place, and that made durable too
// (Maildir: tmp/ and new/). What is dropped before leaves nothing behind. All of it happens in the pool.
#pragma once

#include "agent/seams.h"
#include "spool/disk.h"
#include "transport/kinds/delivery.h"

#include <memory>
#include <string>

namespace bulkmail::agent {

class FileOutlet final : public Outlet {
 public:
  // Makes the folders and the file.
  FileOutlet(spool::Disk& disk, Pool& pool, const transport::kinds::Opening& opening, Handler& handler);
  ~FileOutlet() override;
  FileOutlet(const FileOutlet&) = delete;
  FileOutlet& operator=(const FileOutlet&) = delete;

  void write(std::string bytes) override;
  [[nodiscard]] std::size_t unwritten() const override;
  void end() override;

 private:
  struct State; // shared with the jobs in the pool
  static void run(const std::shared_ptr<State>& state);

  std::shared_ptr<State> state_;
};

} // namespace bulkmail::agent
