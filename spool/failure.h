// How a step of durable writing failed, which decides whether it may be tried again.
#pragma once

#include "spool/error.h"

#include <expected>

namespace bulkmail::spool {

struct Failure {
  Error error;
  // A sync failed: the kernel may have thrown away what it could not write and forgotten it, so a second sync
  // that succeeds says nothing. Never tried again; only a new start, which reads what is really there, helps.
  bool sync = false;
};

using Attempted = std::expected<void, Failure>;

// Wraps the Result of a plain step and of a sync.
[[nodiscard]] inline Attempted step(const Result<void>& result) {
  if (result) return {};
  return std::unexpected(Failure{result.error(), false});
}

[[nodiscard]] inline Attempted sync_step(const Result<void>& result) {
  if (result) return {};
  return std::unexpected(Failure{result.error(), true});
}

} // namespace bulkmail::spool
