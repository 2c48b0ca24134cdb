// Sockets of the world: loopback only, non-blocking, closed by their owner.
#pragma once

#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <string>
#include <system_error>
#include <utility>

namespace bulkmail::world {

class Descriptor {
 public:
  Descriptor() = default;

  explicit Descriptor(int fd) : fd_(fd) {}

  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }

  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }

  [[nodiscard]] int get() const { return fd_; }

  [[nodiscard]] bool open() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t length = 0;

  // Throws std::system_error unless the address is a loopback one.
  static SocketAddress loopback(const std::string& address, std::uint16_t port);

  [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }

  [[nodiscard]] sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }

  [[nodiscard]] std::uint16_t port() const;
  [[nodiscard]] std::string text() const; // "127.0.0.1:53", "[::1]:53"
};

// A port that is free for one socket may be taken for the next that needs the same: so often another is tried.
inline constexpr int port_attempts = 50;

// Bound, and listening if it is a stream. Throws std::system_error.
Descriptor bound_socket(int type, const SocketAddress& address, int backlog, int receive_buffer = 0);
SocketAddress local_address(int fd);
SocketAddress peer_address(int fd);

} // namespace bulkmail::world
