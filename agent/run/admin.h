// The admin socket's clients: lines of requests in, lines of answers out (agent/control/frames.h).
#pragma once

#include "agent/control/frames.h"
#include "agent/seams.h"

#include <functional>
#include <list>
#include <memory>

namespace bulkmail::agent {

class Admin {
 public:
  static constexpr std::size_t max_clients = 64;
  using Answerer = std::function<Response(const Request&)>;

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
