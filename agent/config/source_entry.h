// A [[source]] entry: what holds for one of the addresses of smtp.source, instead of what holds for all.
#pragma once

#include "agent/queue/rate.h"
#include "resolver/address.h"

#include <optional>
#include <string>
#include <vector>

namespace bulkmail::agent {

struct SourceEntry {
  std::optional<resolver::IpAddress> address; // never empty once loaded
  std::string hostname;                       // said in EHLO; empty: as usual
  std::optional<std::vector<Rate>> warmup;    // an empty list: it is warm

  bool operator==(const SourceEntry&) const = default;
};

} // namespace bulkmail::agent
