// One agent a spool: flock on its `lock` file, which says who has it.
#pragma once

#include "agent/io/descriptor.h"
#include "spool/error.h"

#include <string>

namespace bulkmail::agent {

class SpoolLock {
 public:
  enum class Holder : std::uint8_t { agent, drain };

  // Made and owned as the spool is.
  [[nodiscard]] static spool::Result<SpoolLock> open(const std::string& spool);
  // False: somebody has it.
  [[nodiscard]] spool::Result<bool> try_take(Holder as);
  [[nodiscard]] Holder holder() const; // who has it now

 private:
  explicit SpoolLock(Descriptor file) : file_(std::move(file)) {}

  Descriptor file_; // closing it lets go of the lock
};

} // namespace bulkmail::agent
