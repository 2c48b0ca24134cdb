// People at the admin socket: they hold, release, cancel and flush, and remember what they were told.
#pragma once

#include "agent/run/engine.h"
#include "tests/simulation/timeline.h"

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace bulkmail::simulation {

class Hand {
 public:
  // Which mail, by one of these; none: all of it.
  struct What {
    std::string id, site; // a message's; a mail host or a recipient domain

    bool operator==(const What&) const = default;
  };

  // While this lasts nothing of it may be taken by a host, whatever crashes.
  struct Ban {
    What what;
    Monotonic from;              // what had begun when the agent answered is over by then
    std::optional<Monotonic> to; // when somebody asked for its release
    std::set<std::string> among; // of a cancel: the messages that were there
    bool cancelled = false;
  };

  explicit Hand(Timeline& timeline) : timeline_(timeline) {}

  void hold(agent::Engine& engine, const What& what);
  void release(agent::Engine& engine, const What& what);
  void cancel(agent::Engine& engine, const What& what, std::set<std::string> there);
  void flush(agent::Engine& engine, const What& what);

  [[nodiscard]] const std::vector<Ban>& bans() const { return bans_; }

  [[nodiscard]] std::size_t obeyed() const { return obeyed_; } // orders

  // The last order to release all was obeyed.
  [[nodiscard]] bool all_released() const { return all_released_; }

 private:
  class Client;
  using Answered = std::function<void(const agent::Response&)>;

  // Longer than an attempt on any two hosts: a greeting is waited for five minutes, the reply to a dot ten.
  static constexpr std::chrono::minutes attempt_time{45};

  void ask(agent::Engine& engine, agent::Request::Command command, const What& what, Answered answered);

  Timeline& timeline_;
  std::vector<Ban> bans_;
  std::size_t obeyed_ = 0;
  bool all_released_ = false;
};

} // namespace bulkmail::simulation
