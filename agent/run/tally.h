// Counts the mail that an order means, a piece a turn: there may be a million recipients.
#pragma once

#include "agent/queue/scheduler.h"
#include "agent/queue/sender_rules.h"
#include "spool/message.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace bulkmail::agent {

class Tally {
 public:
  using Find = std::function<const spool::Message*(std::uint64_t)>; // null: it left

  struct Found {
    std::uint64_t messages = 0, recipients = 0; // that wait
  };

  // `domains`: those that a Site's selector means. `numbers`: the messages to look at.
  Tally(const Selector& what, const std::vector<std::string>& domains, std::vector<std::uint64_t> numbers);

  // Some more of it; true: there is more to come.
  [[nodiscard]] bool turn(const Find& find);

  [[nodiscard]] const Found& found() const { return found_; }

 private:
  static constexpr std::size_t steps_a_turn = 5000; // messages or recipients; a few milliseconds

  [[nodiscard]] bool means(const spool::Message& message) const;
  [[nodiscard]] bool means_domain(std::string_view domain);

  Selector::Kind kind_;
  std::optional<SenderPattern> sender_;
  std::set<std::string, std::less<>> domains_;
  std::vector<std::uint64_t> numbers_;
  std::size_t next_message_ = 0;
  std::uint32_t next_recipient_ = 0; // of that message, if recipients are looked at
  bool counted_ = false;             // that message is in found_
  std::string last_domain_;          // as it was written: neighbours often have the same
  bool last_meant_ = false;
  Found found_;
};

} // namespace bulkmail::agent
