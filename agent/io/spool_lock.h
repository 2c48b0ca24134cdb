// One agent a spool: flock on its `lock` file, which says who has it.
#pragma once

#include "spool/error.h"

#include <string>

namespace bulkmail::agent {

class SpoolLock {
 public:
  enum class Holder : std::uint8_t { agent, drain };

  // Made and owned as the spool is.
  [[nodiscard]] static spool::Result<SpoolLock> open(const std::string& spool);
  SpoolLock(SpoolLock&& other) noexcept;
  SpoolLock& operator=(SpoolLock&&) = delete;
  ~SpoolLock(); // lets go of it

  // False: somebody has it.
  [[nodiscard]] spool::Result<bool> try_take(Holder as);
  [[nodiscard]] Holder holder() const; // who has it now

 private:
  explicit SpoolLock(int descriptor) : descriptor_(descriptor) {}

  int descriptor_ = -1;
};

} // namespace bulkmail::agent
