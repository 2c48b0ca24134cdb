#include "agent/io/uv_network.h"

#include "agent/io/uv_channel.h"

#include <netinet/in.h>

#include <cstring>

namespace bulkmail::agent {
namespace {

sockaddr_storage to_sockaddr(const resolver::Endpoint& endpoint) {
  sockaddr_storage storage{};
  if (endpoint.address.family == resolver::IpAddress::Family::v4) {
    auto& v4 = reinterpret_cast<sockaddr_in&>(storage);
    v4.sin_family = AF_INET;
    v4.sin_port = htons(endpoint.port);
    std::memcpy(&v4.sin_addr, endpoint.address.bytes.data(), 4);
  } else {
    auto& v6 = reinterpret_cast<sockaddr_in6&>(storage);
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(endpoint.port);
    std::memcpy(&v6.sin6_addr, endpoint.address.bytes.data(), 16);
  }
  return storage;
}

resolver::Endpoint from_sockaddr(const sockaddr& address) {
  resolver::Endpoint endpoint;
  if (address.sa_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
    endpoint.port = ntohs(v4.sin_port);
    std::memcpy(endpoint.address.bytes.data(), &v4.sin_addr, 4);
  } else {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
    endpoint.address.family = resolver::IpAddress::Family::v6;
    endpoint.port = ntohs(v6.sin6_port);
    std::memcpy(endpoint.address.bytes.data(), &v6.sin6_addr, 16);
  }
  return endpoint;
}

class UvDatagram : public Datagram {
 public:
  UvDatagram(Loop& loop, const resolver::Endpoint& to, std::string_view bytes, Handler& handler)
      : core_(new Core) {
    core_->handler = &handler;
    core_->udp.data = core_;
    uv_udp_init(loop.raw(), &core_->udp);
    const sockaddr_storage target = to_sockaddr(to);
    uv_buf_t buffer = uv_buf_init(const_cast<char*>(bytes.data()), static_cast<unsigned>(bytes.size()));
    // The first send binds the socket to a random port of the kernel's choice.
    int error = uv_udp_try_send(&core_->udp, &buffer, 1, reinterpret_cast<const sockaddr*>(&target));
    if (error >= 0) error = uv_udp_recv_start(&core_->udp, allocate, receive);
    if (error >= 0) return;
    loop.post([core = core_, alive = std::weak_ptr(core_->alive)] {
      if (!alive.expired()) core->handler->failed();
    });
  }

  ~UvDatagram() override {
    core_->handler = nullptr;
    core_->alive.reset();
    uv_close(reinterpret_cast<uv_handle_t*>(&core_->udp),
             [](uv_handle_t* handle) { delete static_cast<Core*>(handle->data); });
  }

 private:
  struct Core {
    uv_udp_t udp{};
    Handler* handler = nullptr; // null once the datagram is destroyed
    std::shared_ptr<char> alive = std::make_shared<char>();
  };

  static constexpr std::size_t largest = 65536;

  static void allocate(uv_handle_t*, std::size_t, uv_buf_t* buffer) {
    thread_local std::array<char, largest> shared;
    *buffer = uv_buf_init(shared.data(), largest);
  }

  static void receive(uv_udp_t* udp, ssize_t count, const uv_buf_t* buffer, const sockaddr* from, unsigned) {
    auto& core = *static_cast<Core*>(udp->data);
    if (core.handler == nullptr) return;
    if (count < 0)
      core.handler->failed(); // ICMP said that nobody is there
    else if (from != nullptr)
      core.handler->received(from_sockaddr(*from), {buffer->base, static_cast<std::size_t>(count)});
  }

  Core* core_; // deleted when libuv has closed the handle
};

class UvListener : public Listener {
 public:
  UvListener(Loop& loop, int descriptor, std::function<void(std::unique_ptr<Channel>)> accepted)
      : core_(new Core) {
    core_->accepted = std::move(accepted);
    core_->pipe.data = core_;
    uv_pipe_init(loop.raw(), &core_->pipe, 0);
    uv_pipe_open(&core_->pipe, descriptor);
    uv_listen(reinterpret_cast<uv_stream_t*>(&core_->pipe), 1024, [](uv_stream_t* server, int status) {
      auto& core = *static_cast<Core*>(server->data);
      if (status < 0) return;
      auto channel = UvChannel::pipe(server->loop);
      if (uv_accept(server, channel->stream()) == 0 && core.accepted) core.accepted(std::move(channel));
    });
  }

  ~UvListener() override {
    core_->accepted = nullptr;
    uv_close(reinterpret_cast<uv_handle_t*>(&core_->pipe),
             [](uv_handle_t* handle) { delete static_cast<Core*>(handle->data); });
  }

 private:
  struct Core {
    uv_pipe_t pipe{};
    std::function<void(std::unique_ptr<Channel>)> accepted;
  };

  Core* core_; // deleted when libuv has closed the handle
};

} // namespace

std::unique_ptr<Channel> UvNetwork::connect(const resolver::Endpoint& to,
                                            const std::optional<resolver::IpAddress>& from,
                                            Channel::Handler& handler) {
  auto channel = UvChannel::tcp(loop_.raw());
  channel->expect(handler);
  const sockaddr_storage address = to_sockaddr(to);
  const sockaddr_storage local = from ? to_sockaddr({*from, 0}) : sockaddr_storage{};
  channel->connect(reinterpret_cast<const sockaddr*>(&address),
                   from ? reinterpret_cast<const sockaddr*>(&local) : nullptr, loop_);
  return channel;
}

std::unique_ptr<Datagram> UvNetwork::send(const resolver::Endpoint& to, std::string_view bytes,
                                          Datagram::Handler& handler) {
  return std::make_unique<UvDatagram>(loop_, to, bytes, handler);
}

std::unique_ptr<Listener> UvNetwork::listen(int descriptor,
                                            std::function<void(std::unique_ptr<Channel>)> accepted) {
  return std::make_unique<UvListener>(loop_, descriptor, std::move(accepted));
}

} // namespace bulkmail::agent
