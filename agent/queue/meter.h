// The rates of a [[site]] entry, as they are kept for one Site or one recipient domain: messages and recipients.
//
//   if (meter.next(now) > now) wait until then
//   n = std::min(wanted, meter.most()); meter.take(n, now)
#pragma once

#include "agent/queue/rate.h"
#include "agent/queue/site_rules.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>

namespace bulkmail::agent {

class Meter {
 public:
  // Null, or a rule without rates: anything goes. What went before is not forgotten.
  void set(const SiteRule* rule, Monotonic now) {
    set(messages_, rule == nullptr ? std::nullopt : rule->rate, 1, now);
    const auto recipients = rule == nullptr ? std::nullopt : rule->recipient_rate;
    set(recipients_, recipients, recipients ? Gcra::standard_chunk(*recipients) : 1, now);
  }

  [[nodiscard]] bool limits() const { return messages_ || recipients_; }

  // When the next transaction may go; `now`: at once.
  [[nodiscard]] Monotonic next(Monotonic now) const {
    return std::max(messages_ ? messages_->next(now) : now, recipients_ ? recipients_->next(now) : now);
  }

  // The most recipients that it may have.
  [[nodiscard]] std::uint32_t most() const {
    return recipients_ ? recipients_->chunk() : std::numeric_limits<std::uint32_t>::max();
  }

  void take(std::uint32_t recipients, Monotonic now) {
    if (messages_) messages_->take(1, now);
    if (recipients_) recipients_->take(recipients, now);
  }

 private:
  static void set(std::optional<Gcra>& gcra, std::optional<Rate> rate, std::uint32_t chunk, Monotonic now) {
    if (!rate) {
      gcra.reset();
    } else if (gcra) {
      gcra->set_rate(*rate, chunk, now);
    } else {
      gcra.emplace(*rate, chunk);
    }
  }

  std::optional<Gcra> messages_, recipients_;
};

} // namespace bulkmail::agent
