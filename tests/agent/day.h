// A day of mail under a virtual clock: posts to lists and single mails to Sites of all habits, and now and then somebody
// holds, releases, cancels or flushes. The scheduler decides, the Sites answer, the books are looked at after each step.
//
// Everything follows from the seed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace bulkmail::agent::test {

struct DayPlan {
  std::uint64_t seed = 1;
  std::size_t sites = 5000, domains = 8000;
  std::size_t singles = 20'000;
  std::size_t rushes = 30, rush_mails = 100, rush_recipients = 300;
  std::size_t posts = 8, post_recipients = 4000;
};

struct DayReport {
  std::string problem; // empty: all was as it should be
  std::uint64_t messages = 0, recipients = 0, relayed = 0, failed = 0, expired = 0, cancelled = 0;
  std::uint64_t sessions = 0, transactions = 0, refused = 0, steps = 0;
  std::uint32_t most_at_return = 0;       // sessions opened in the second of a Site's return
  std::int64_t longest_wait_again_ms = 0; // … that was tried in vain before
  std::int64_t longest_wait_ms = 0;       // of a Site that could serve and had work
  std::int64_t virtual_hours = 0;
};

[[nodiscard]] DayReport live(const DayPlan& plan);

} // namespace bulkmail::agent::test
