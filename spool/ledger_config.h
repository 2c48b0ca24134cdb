// What the administrator may choose about the journal, the status files and the results stream.
#pragma once

#include "spool/time.h"

#include <cstdint>
#include <string>

namespace bulkmail::spool {

struct LedgerConfig {
  std::string reporting_mta; // "relay.example", without "dns; "
  enum class Detail : std::uint8_t {
    all,
    failures
  } detail = Detail::all; // failures: without relayed and delivered
  enum class Files : std::uint8_t {
    all,
    failed,
    none
  } files = Files::all; // failed: where one failed or was delayed
  enum class Dsn : std::uint8_t {
    automatic,
    on,
    off
  } dsn = Dsn::automatic; // without NOTIFY, failures are told of: where the envelope asks, of all mail, of none
  milliseconds status_interval{60'000};
  milliseconds status_keep{14LL * 86'400'000};
  std::uint64_t results_rotate = 64ULL << 20;
  milliseconds results_keep{14LL * 86'400'000};
  milliseconds expire{5LL * 86'400'000}; // of a message found in cur/ that the journal doesn't know yet
  milliseconds group_delay{4};           // outcomes gather at most so long before a commit
  milliseconds publish_delay{50};        // final status files gather at most so long before a sync
  std::uint64_t segment_size = 16ULL << 20;
};

} // namespace bulkmail::spool
