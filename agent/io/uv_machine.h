// The real Machine on libuv: unix sockets and programs.
#pragma once

#include "agent/io/loop.h"
#include "agent/seams.h"

#include <memory>
#include <string>
#include <vector>

namespace bulkmail::agent {

class UvMachine : public Machine {
 public:
  explicit UvMachine(Loop& loop) : loop_(loop) {}

  std::unique_ptr<Channel> connect(const std::string& socket, Channel::Handler& handler) override;
  std::unique_ptr<Outlet> start(const std::vector<std::string>& arguments,
                                const std::vector<std::string>& environment,
                                Outlet::Handler& handler) override;

 private:
  Loop& loop_;
};

} // namespace bulkmail::agent
