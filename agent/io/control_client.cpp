#include "agent/io/control_client.h"

#include "agent/io/descriptor.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>
#include <system_error>

namespace bulkmail::agent {
namespace {

using Deadline = std::chrono::steady_clock::time_point;

std::unexpected<std::string> failed(std::string_view what, int code) {
  return std::unexpected(fmt::format("{}: {}", what, std::generic_category().message(code)));
}

// Until the socket can be read from or written to. False: the time is up.
bool wait_for(int fd, short events, Deadline deadline) {
  for (;;) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0) return false;
    pollfd one{fd, events, 0};
    if (const int ready = ::poll(&one, 1, static_cast<int>(left.count())); ready > 0) return true;
  }
}

// By way of the spool's descriptor: a socket's address has room for a path of 107 octets, a spool's may be longer.
std::expected<Descriptor, std::string> connect_to(const std::string& spool, Deadline deadline) {
  const Descriptor directory(::open(spool.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!directory.is_open()) return failed(spool, errno);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const auto path = fmt::format("/proc/self/fd/{}/control.sock", directory.get());
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  Descriptor fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.is_open()) return failed("socket", errno);
  while (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    if (errno != EAGAIN && errno != EINTR) return failed(spool + "/control.sock", errno);
    // A full backlog: nothing tells when there is room.
    if (std::chrono::steady_clock::now() >= deadline) return std::unexpected("the agent doesn't answer");
    ::poll(nullptr, 0, 20);
  }
  return fd;
}

} // namespace

std::expected<Response, std::string> ask_agent(const std::string& spool, const Request& request,
                                               std::chrono::milliseconds patience) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  const auto fd = connect_to(spool, deadline);
  if (!fd) return std::unexpected(fd.error());

  const std::string line = request.serialise();
  for (std::string_view rest = line; !rest.empty();) {
    if (!wait_for(fd->get(), POLLOUT, deadline)) return std::unexpected("the agent doesn't answer");
    const auto sent = ::send(fd->get(), rest.data(), rest.size(), MSG_NOSIGNAL);
    if (sent > 0) rest.remove_prefix(static_cast<std::size_t>(sent));
    if (sent < 0 && errno != EAGAIN && errno != EINTR) return failed("the agent went away", errno);
  }

  std::string answer;
  while (!answer.ends_with('\n')) {
    if (!wait_for(fd->get(), POLLIN, deadline)) return std::unexpected("the agent doesn't answer");
    char block[65'536];
    const auto got = ::recv(fd->get(), block, sizeof block, 0);
    if (got > 0) answer.append(block, static_cast<std::size_t>(got));
    if (got == 0) return std::unexpected("the agent went away without an answer");
    if (got < 0 && errno != EAGAIN && errno != EINTR) return failed("the agent went away", errno);
  }
  return Response::parse(answer);
}

} // namespace bulkmail::agent
