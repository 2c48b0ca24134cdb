// The answer to `queue`, told a piece a turn: a queue of 200,000 messages must not hold up the loop.
//
// Each message is described as it is when its turn comes; one that left meanwhile is left out.
#pragma once

#include "agent/queue/scheduler.h"
#include "agent/run/admin.h"
#include "agent/run/standing_orders.h"
#include "spool/message.h"

#include <nlohmann/json.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace bulkmail::agent {

class QueueAnswer {
 public:
  struct Sources {
    std::function<const spool::Message*(std::uint64_t)> message; // null: it left
    std::function<nlohmann::json(std::optional<Monotonic>)> date;
    const StandingOrders& orders;
  };

  QueueAnswer(std::shared_ptr<Reply> reply, const nlohmann::json& agent, const nlohmann::json& holds,
              std::vector<std::uint64_t> messages, std::vector<Scheduler::SiteView> sites, Sources sources);
  // Some more of it; true: there is more to come.
  [[nodiscard]] bool turn();

 private:
  static constexpr std::size_t pieces_a_turn = 100;       // about a millisecond
  static constexpr std::size_t most_unsent = 1024 * 1024; // of a client that reads slowly

  std::shared_ptr<Reply> reply_;
  std::vector<std::uint64_t> messages_;
  std::vector<Scheduler::SiteView> sites_;
  Sources sources_;
  std::size_t next_message_ = 0, next_site_ = 0;
  bool sites_begun_ = false;
  bool list_begun_ = false; // something stands in the list before
};

// Append one more to a list, with the comma before it unless `out` is empty.
void append_message(std::string& out, const spool::Message& message, const StandingOrders& orders);
void append_site(std::string& out, const Scheduler::SiteView& site, const nlohmann::json& next_attempt_date);

// A date as every answer has it.
[[nodiscard]] std::string date_text(Wall wall);

} // namespace bulkmail::agent
