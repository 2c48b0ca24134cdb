#include "transport/client/running.h"

#include <utility>

namespace bulkmail::transport {

Running::Running(std::uint32_t number, Transaction what) : id(number), transaction(std::move(what)) {
  const std::size_t count = transaction.recipients.size();
  open = static_cast<std::uint32_t>(count);
  progress.assign(count, Progress::open);
  results.resize(count);
}

void Running::accept(std::uint32_t recipient) {
  progress[recipient] = Progress::accepted;
  ++accepted;
}

void Running::decide(std::uint32_t recipient, RecipientResult result) {
  if (progress[recipient] == Progress::accepted) --accepted;
  progress[recipient] = Progress::decided;
  results[recipient] = std::move(result);
  --open;
}

void Running::decide_open(const RecipientResult& result) {
  for (std::uint32_t i = 0; i < progress.size() && open > 0; ++i) {
    if (progress[i] != Progress::decided) decide(i, result);
  }
}

} // namespace bulkmail::transport
