// Who carries the attempts of a session: a Courier to a mail host, a Porter to what is on this machine.
#pragma once

#include "agent/queue/scheduler.h"

#include <cstdint>

namespace bulkmail::agent {

class Carrier {
 public:
  virtual ~Carrier() = default;
  virtual void start() = 0;                        // with its first attempt
  virtual void take(Work work) = 0;                // another attempt, after free()
  virtual void close() = 0;                        // idle: it ends
  virtual void give_up() = 0;                      // not yet ready: it ends as if nobody had answered in time
  virtual void finish() = 0;                       // no more attempts; idle or not yet ready: ends at once
  virtual void abandon(std::uint64_t message) = 0; // if it carries that one: it is not delivered
  virtual void cut() = 0;                          // as finish, and what can still be put back is
};

} // namespace bulkmail::agent
