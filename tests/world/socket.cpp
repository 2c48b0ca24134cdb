#include "tests/world/socket.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>

#include <array>
#include <cerrno>

namespace bulkmail::world {
namespace {

[[noreturn]] void fail(const std::string& what) {
  throw std::system_error(errno, std::system_category(), what);
}

} // namespace

SocketAddress SocketAddress::loopback(const std::string& address, std::uint16_t port) {
  SocketAddress result;
  auto* four = reinterpret_cast<sockaddr_in*>(&result.storage);
  auto* six = reinterpret_cast<sockaddr_in6*>(&result.storage);
  if (inet_pton(AF_INET, address.c_str(), &four->sin_addr) == 1 &&
      (ntohl(four->sin_addr.s_addr) >> 24) == 127) {
    four->sin_family = AF_INET;
    four->sin_port = htons(port);
    result.length = sizeof(sockaddr_in);
  } else if (inet_pton(AF_INET6, address.c_str(), &six->sin6_addr) == 1 &&
             IN6_IS_ADDR_LOOPBACK(&six->sin6_addr)) {
    six->sin6_family = AF_INET6;
    six->sin6_port = htons(port);
    result.length = sizeof(sockaddr_in6);
  } else {
    throw std::system_error(EADDRNOTAVAIL, std::system_category(), address + " is no loopback address");
  }
  return result;
}

std::uint16_t SocketAddress::port() const {
  return ntohs(storage.ss_family == AF_INET ? reinterpret_cast<const sockaddr_in*>(&storage)->sin_port
                                            : reinterpret_cast<const sockaddr_in6*>(&storage)->sin6_port);
}

std::string SocketAddress::text() const {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (storage.ss_family == AF_INET) {
    inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(&storage)->sin_addr, text.data(), text.size());
    return fmt::format("{}:{}", text.data(), port());
  }
  inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6*>(&storage)->sin6_addr, text.data(), text.size());
  return fmt::format("[{}]:{}", text.data(), port());
}

Descriptor bound_socket(int type, const SocketAddress& address, int backlog, int receive_buffer) {
  Descriptor socket(::socket(address.storage.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket.open()) fail("socket");
  const int on = 1;
  setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (address.storage.ss_family == AF_INET6)
    setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  // Beyond the system's limit where we may, so that a burst of questions isn't lost for want of room.
  if (receive_buffer > 0 &&
      setsockopt(socket.get(), SOL_SOCKET, SO_RCVBUFFORCE, &receive_buffer, sizeof receive_buffer) != 0)
    setsockopt(socket.get(), SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
  if (bind(socket.get(), address.get(), address.length) != 0) fail(address.text());
  if (type == SOCK_STREAM && listen(socket.get(), backlog) != 0) fail(address.text());
  return socket;
}

SocketAddress local_address(int fd) {
  SocketAddress address;
  address.length = sizeof address.storage;
  getsockname(fd, address.get(), &address.length);
  return address;
}

SocketAddress peer_address(int fd) {
  SocketAddress address;
  address.length = sizeof address.storage;
  getpeername(fd, address.get(), &address.length);
  return address;
}

} // namespace bulkmail::world
