// The admin socket's clients: lines of requests in, lines of answers out (agent/control/frames.h).
#pragma once

#include "agent/control/frames.h"
#include "agent/seams.h"

#include <functional>
#include <list>
#include <memory>
#include <string>

namespace bulkmail::agent {

// An answer under way: one line, whose pieces go out as they come. It may outlive its client, and then goes nowhere.
// Whoever drops one unfinished leaves its client without an answer.
class Reply {
 public:
  class Taker {
   public:
    virtual ~Taker() = default;
    virtual void take(std::string piece) = 0;
    virtual void answered() = 0; // the line is whole
    [[nodiscard]] virtual std::size_t untaken() const = 0;
  };

  explicit Reply(Taker* taker) : taker_(taker) {}

  void finish(const Response& response) { finish(response.serialise()); }

  void finish(std::string last_piece); // with the newline
  void send(std::string piece);

  void forsake() { taker_ = nullptr; } // the client is gone

  [[nodiscard]] bool wanted() const { return taker_ != nullptr; }

  [[nodiscard]] std::size_t unsent() const { return taker_ == nullptr ? 0 : taker_->untaken(); }

 private:
  Taker* taker_;
};

class Admin {
 public:
  static constexpr std::size_t max_clients = 64;
  using Answerer = std::function<void(const Request&, std::shared_ptr<Reply>)>;

  explicit Admin(Answerer answerer);
  ~Admin();
  void accept(std::unique_ptr<Channel> channel);
  void turn(); // lets go of clients that have left

 private:
  class Client;
  Answerer answerer_;
  std::list<std::unique_ptr<Client>> clients_;
};

} // namespace bulkmail::agent
