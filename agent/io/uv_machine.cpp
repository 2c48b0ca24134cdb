#include "agent/io/uv_machine.h"

#include "agent/io/uv_process.h"

namespace bulkmail::agent {

std::unique_ptr<Channel> UvMachine::connect(const std::string& socket, Channel::Handler& handler) {
  auto channel = UvChannel::pipe(loop_.raw());
  channel->expect(handler);
  channel->connect(socket);
  return channel;
}

std::unique_ptr<Outlet> UvMachine::start(const std::vector<std::string>& arguments,
                                         const std::vector<std::string>& environment,
                                         Outlet::Handler& handler) {
  return std::make_unique<UvProcess>(loop_, arguments, environment, handler);
}

} // namespace bulkmail::agent
