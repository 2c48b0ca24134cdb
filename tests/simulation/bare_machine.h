// A machine with no programs and no sockets: the simulation's mail goes over its network.
#pragma once

#include "agent/seams.h"

#include <stdexcept>

namespace bulkmail::simulation {

class BareMachine : public agent::Machine {
 public:
  std::unique_ptr<agent::Channel> connect(const std::string& socket, agent::Channel::Handler&) override {
    throw std::logic_error("there is no socket " + socket);
  }

  std::unique_ptr<agent::Outlet> start(const std::vector<std::string>& arguments,
                                       const std::vector<std::string>&, agent::Outlet::Handler&) override {
    throw std::logic_error("there is no program " + arguments.front());
  }
};

} // namespace bulkmail::simulation
