#include "tests/simulation/hand.h"

#include <memory>
#include <utility>

namespace bulkmail::simulation {

using Command = agent::Request::Command;

// One request's connection. It hangs up after the answer, and ends with the agent if there is none.
class Hand::Client final : public agent::Channel {
 public:
  Client(Timeline& timeline, Answered answered) : timeline_(timeline), answered_(std::move(answered)) {}

  void set_handler(Handler& handler) override { handler_ = &handler; }

  [[nodiscard]] Handler* handler() const { return handler_; } // null: not let in

  void write(std::string bytes) override {
    answer_ += bytes;
    if (!answer_.ends_with('\n')) return;
    if (const auto response = agent::Response::parse(answer_)) answered_(*response);
    timeline_.after(std::chrono::milliseconds(1), [this, alive = std::weak_ptr(alive_)] {
      if (!alive.expired()) handler_->closed("answered", false);
    });
  }

  [[nodiscard]] std::size_t unwritten() const override { return 0; }

  void pause_reading(bool) override {}

 private:
  Timeline& timeline_;
  Answered answered_;
  Handler* handler_ = nullptr;
  std::string answer_;
  std::shared_ptr<char> alive_ = std::make_shared<char>();
};

void Hand::ask(agent::Engine& engine, Command command, const What& what, Answered answered) {
  auto client =
      std::make_unique<Client>(timeline_, [this, answered = std::move(answered)](const auto& response) {
        obeyed_ += response.ok;
        answered(response);
      });
  const Client& ours = *client;
  engine.admin_client(std::move(client));
  agent::Request request{.command = command, .id = what.id, .site = what.site};
  request.all = what == What{};
  ours.handler()->received(request.serialise());
}

void Hand::hold(agent::Engine& engine, const What& what) {
  all_released_ = false;
  ask(engine, Command::hold, what, [this, what](const agent::Response& response) {
    if (response.ok) bans_.push_back({what, timeline_.now().mono + attempt_time, {}, {}, false});
  });
}

// It may be obeyed without being answered: the bans end now.
void Hand::release(agent::Engine& engine, const What& what) {
  const bool all = what == What{};
  for (Ban& ban : bans_)
    if (!ban.cancelled && !ban.to && (all || ban.what == what)) ban.to = timeline_.now().mono;
  ask(engine, Command::release, what, [this, all](const agent::Response& response) {
    if (all && (response.ok || response.error == "there is no such hold")) all_released_ = true;
  });
}

void Hand::cancel(agent::Engine& engine, const What& what, std::set<std::string> there) {
  ask(engine, Command::cancel, what, [this, what, there = std::move(there)](const agent::Response& response) {
    if (response.ok) bans_.push_back({what, timeline_.now().mono + attempt_time, {}, there, true});
  });
}

void Hand::flush(agent::Engine& engine, const What& what) {
  ask(engine, Command::flush, what, [](const agent::Response&) {});
}

} // namespace bulkmail::simulation
