// What people have ordered that must outlive the agent: which mail is held, and which was cancelled but may not yet be
// recorded as such. Kept in state/holds (docs/spool-format.md).
//
// A message is named by its number, which is its own for ever once its `begin` is in the journal; its id stands beside it
// for people. A cancel means the mail that was there when it was given: numbers below `before`.
#pragma once

#include "agent/queue/scheduler.h"
#include "agent/queue/sender_rules.h"
#include "spool/disk.h"
#include "spool/envelope.h"

#include <nlohmann/json.hpp>

#include <cstdint>
#include <expected>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace bulkmail::agent {

class StandingOrders {
 public:
  // A selector's text is as named_sender() and named_site() made it; `id` is a message's, else "". What changes nothing
  // answers false.
  bool hold(const Selector& what, const std::string& id);
  bool release(const Selector& what); // all: every hold
  // `domains`: those that a Site's selector means at the moment, canonical.
  void cancel(const Selector& what, const std::string& id, const std::vector<std::string>& domains,
              std::uint64_t before);

  // Of messages that have left the spool nothing need be known.
  bool forget(std::uint64_t message);
  bool keep_only(const std::function<bool(std::uint64_t)>& is_there);
  bool forget_cancels(); // all of them are recorded

  [[nodiscard]] std::vector<Selector> holds() const;
  [[nodiscard]] bool holds_message(std::uint64_t number, std::string_view sender) const;
  // [{"id":"news-1"},{"sender":"example.org"},{"site":"mx.example"},{"all":true}]
  [[nodiscard]] nlohmann::json list_holds() const;

  [[nodiscard]] bool cancels_nothing() const {
    return cancelled_messages_.empty() && cancelled_senders_.empty() && cancelled_domains_.empty() &&
           all_cancelled_before_ == 0;
  }

  // Whether mail of that message to that canonical domain was cancelled.
  [[nodiscard]] bool cancels(std::uint64_t number, std::string_view sender, std::string_view domain) const;
  // Which recipients of a message that a start found were.
  [[nodiscard]] std::vector<std::uint32_t> cancelled(std::uint64_t number,
                                                     const spool::Envelope& envelope) const;

  [[nodiscard]] std::string serialise() const;
  [[nodiscard]] static std::expected<StandingOrders, std::string> parse(std::string_view text);

 private:
  using Names = std::map<std::uint64_t, std::string>;                // messages: number, id
  using Befores = std::map<std::string, std::uint64_t, std::less<>>; // what, and below which number

  [[nodiscard]] bool cancels_all_of(std::uint64_t number, std::string_view sender) const;
  [[nodiscard]] bool cancels_to(std::string_view domain, std::uint64_t number) const;

  Names held_messages_;
  std::map<std::string, SenderPattern, std::less<>> held_senders_;
  std::set<std::string, std::less<>> held_sites_;
  bool all_held_ = false;

  Names cancelled_messages_;
  Befores cancelled_senders_, cancelled_domains_;
  std::uint64_t all_cancelled_before_ = 0;
};

// What people write, in one form; or what is wrong with it.
[[nodiscard]] std::expected<std::string, std::string> named_sender(std::string_view text);
[[nodiscard]] std::expected<std::string, std::string> named_site(std::string_view text);

// Blocking. No file: no orders. The error says what to do about it.
[[nodiscard]] spool::Result<StandingOrders> read_standing_orders(spool::Disk& disk);
// Blocking; durable when it returns.
[[nodiscard]] spool::Result<void> write_standing_orders(spool::Disk& disk, std::string_view text);

} // namespace bulkmail::agent
