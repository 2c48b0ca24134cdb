#include "agent/run/tally.h"

#include "resolver/route.h"

#include <utility>

namespace bulkmail::agent {

Tally::Tally(const Selector& what, const std::vector<std::string>& domains,
             std::vector<std::uint64_t> numbers)
    : kind_(what.kind),
      domains_(domains.begin(), domains.end()),
      numbers_(std::move(numbers)) {
  if (kind_ != Selector::Kind::sender) return;
  if (auto pattern = SenderPattern::parse(what.text)) sender_ = *std::move(pattern);
}

bool Tally::turn(const Find& find) {
  std::size_t left = steps_a_turn;
  while (next_message_ < numbers_.size()) {
    const spool::Message* message = find(numbers_[next_message_]);
    if (message != nullptr && kind_ != Selector::Kind::site) {
      const auto counts = message->counts();
      if (counts.queued + counts.delayed > 0 && means(*message)) {
        ++found_.messages;
        found_.recipients += counts.queued + counts.delayed;
      }
    } else if (message != nullptr) {
      const auto facts = message->facts();
      const auto& envelope = facts->envelope;
      for (; next_recipient_ < envelope.size(); ++next_recipient_) {
        if (left-- == 0) return true;
        if (is_final(message->action(next_recipient_)) ||
            !means_domain(envelope.recipient(next_recipient_).domain))
          continue;
        found_.messages += !std::exchange(counted_, true);
        ++found_.recipients;
      }
    }
    ++next_message_;
    next_recipient_ = 0;
    counted_ = false;
    if (left == 0 || --left == 0) break;
  }
  return next_message_ < numbers_.size();
}

bool Tally::means(const spool::Message& message) const {
  if (kind_ != Selector::Kind::sender) return true; // numbers_ has no others
  const auto sender = message.packed().sender();
  return sender_ && sender_->matches(sender, SenderPattern::domain_of(sender));
}

bool Tally::means_domain(std::string_view domain) {
  if (domain == last_domain_) return last_meant_;
  const auto canonical = resolver::canonical_domain(domain);
  last_domain_ = domain;
  last_meant_ = canonical && domains_.contains(*canonical);
  return last_meant_;
}

} // namespace bulkmail::agent
