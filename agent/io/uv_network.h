// The real Network on libuv: TCP, UDP and unix sockets.
//
// Every handle outlives its wrapper until libuv has closed it. Reads share one buffer of the loop's: a handler gets bytes
// that hold only during its call.
#pragma once

#include "agent/io/loop.h"
#include "agent/seams.h"

#include <array>
#include <functional>
#include <memory>
#include <string>

namespace bulkmail::agent {

class UvNetwork : public Network {
 public:
  explicit UvNetwork(Loop& loop) : loop_(loop) {}

  std::unique_ptr<Channel> connect(const resolver::Endpoint& to,
                                   const std::optional<resolver::IpAddress>& from,
                                   Channel::Handler& handler) override;
  std::unique_ptr<Datagram> send(const resolver::Endpoint& to, std::string_view bytes,
                                 Datagram::Handler& handler) override;

  // Takes connections on a listening unix socket, which it closes in the end. `accepted` gets each with no handler set.
  std::unique_ptr<Listener> listen(int descriptor, std::function<void(std::unique_ptr<Channel>)> accepted);

 private:
  Loop& loop_;
};

} // namespace bulkmail::agent
