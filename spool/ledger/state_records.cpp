#include "spool/ledger/state_records.h"

#include "spool/journal/journal.h"

#include <algorithm>
#include <tuple>
#include <vector>

namespace bulkmail::spool {

void append_begin(const Message& message, std::string& out) {
  const auto facts = message.facts();
  encode(BeginRecord{facts->number, facts->id, facts->name, facts->digest, facts->stamp, facts->arrival_date,
                     message.expires()},
         out);
}

void append_state(const Message& message, std::string& out) {
  append_begin(message, out);
  const Counts counts = message.counts();
  if (counts.queued == counts.total) return;
  using Tried =
      std::tuple<const SharedOutcome*, std::uint16_t, std::uint32_t>; // with how many attempts, which recipient
  std::vector<Tried> tried;
  tried.reserve(counts.total - counts.queued);
  for (std::uint32_t index = 0; index < counts.total; ++index)
    if (const SharedOutcome* const outcome = message.outcome(index))
      tried.emplace_back(outcome, message.attempts(index), index);
  std::sort(tried.begin(), tried.end());
  for (std::size_t start = 0; start < tried.size();) {
    const auto [outcome, attempts, first] = tried[start];
    KeptRecord record{message.number(), attempts, {}, outcome->whole()};
    for (; start < tried.size() && std::get<0>(tried[start]) == outcome &&
           std::get<1>(tried[start]) == attempts;
         ++start)
      record.recipients.push_back(std::get<2>(tried[start]));
    encode(record, out);
  }
}

} // namespace bulkmail::spool
