// One local address to send from, as it was written: `smtp.source` names them, a [[source]] entry says more of one.
#pragma once

#include "agent/queue/rate.h"
#include "resolver/address.h"

#include <vector>

namespace bulkmail::agent {

struct SourceRule {
  resolver::IpAddress address;
  std::vector<Rate> warmup; // the steps of its first days; none: it may send what it can

  bool operator==(const SourceRule&) const = default;
};

} // namespace bulkmail::agent
