#include "tests/world/unit/running_world.h"

#include "tests/world/dns_message.h"
#include "tests/world/socket.h"

#include <catch2/catch.hpp>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>

#include <csignal>
#include <fstream>

namespace bulkmail::world::test {
namespace {

constexpr int patience_ms = 5000;

bool readable(int fd, int wait_ms) {
  pollfd wanted{fd, POLLIN, 0};
  return poll(&wanted, 1, wait_ms) == 1;
}

std::string question(const std::string& name, std::uint16_t type) {
  std::string packet = dns::wire_u16(4711) + dns::wire_u16(0x0100) + dns::wire_u16(1) + std::string(6, '\0');
  return packet + dns::wire_name(name) + dns::wire_u16(type) + dns::wire_u16(1);
}

} // namespace

RunningWorld::RunningWorld(const std::string& json) {
  std::string pattern = (std::filesystem::temp_directory_path() / "world-test-XXXXXX").string();
  folder_ = mkdtemp(pattern.data());
  write(json);
  int pipe[2];
  REQUIRE(pipe2(pipe, O_CLOEXEC) == 0);
  output_ = pipe[0];
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, pipe[1], 1);
  std::string program = WORLD_PROGRAM, path = (folder_ / "world.json").string();
  char* arguments[] = {program.data(), path.data(), nullptr};
  REQUIRE(posix_spawn(&pid_, program.c_str(), &actions, nullptr, arguments, environ) == 0);
  posix_spawn_file_actions_destroy(&actions);
  close(pipe[1]);
  const auto line = read_line();
  REQUIRE(line.starts_with("ready "));
  ready_ = Json::parse(line.substr(6));
}

RunningWorld::~RunningWorld() {
  if (pid_ > 0) {
    kill(pid_, SIGTERM);
    waitpid(pid_, nullptr, 0);
  }
  close(output_);
  std::filesystem::remove_all(folder_);
}

void RunningWorld::write(const std::string& json) const {
  auto file = Json::parse(json);
  file["log"] = (folder_ / "log").string();
  file["summary"] = (folder_ / "summary").string();
  std::ofstream(folder_ / "world.json") << file;
}

std::string RunningWorld::read_line() const {
  std::string line;
  char c = 0;
  while (readable(output_, patience_ms) && read(output_, &c, 1) == 1 && c != '\n') line += c;
  return line;
}

std::uint16_t RunningWorld::dns_port(std::size_t server) const {
  const auto text = ready_["resolver_servers"][server].get<std::string>();
  return static_cast<std::uint16_t>(std::stoi(text.substr(text.rfind(':') + 1)));
}

std::string RunningWorld::reload(const std::string& json) {
  write(json);
  kill(pid_, SIGHUP);
  return read_line();
}

Json RunningWorld::stop() {
  kill(pid_, SIGTERM);
  int status = 0;
  waitpid(pid_, &status, 0);
  pid_ = -1;
  REQUIRE(WIFEXITED(status));
  REQUIRE(WEXITSTATUS(status) == 0);
  std::ifstream file(folder_ / "summary");
  return Json::parse(file);
}

std::vector<Json> RunningWorld::log(const std::string& event) const {
  std::vector<Json> events;
  std::ifstream file(folder_ / "log");
  for (std::string line; std::getline(file, line);) {
    auto json = Json::parse(line);
    if (json["event"] == event) events.push_back(std::move(json));
  }
  return events;
}

Client::Client(const std::string& address, std::uint16_t port) {
  const auto peer = SocketAddress::loopback(address, port);
  fd_ = socket(peer.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  connect(fd_, peer.get(), peer.length);
  pollfd wanted{fd_, POLLOUT, 0};
  int error = 0;
  socklen_t length = sizeof error;
  if (poll(&wanted, 1, 500) == 1 && getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &length) == 0 && error == 0)
    return;
  close(fd_);
  fd_ = -1;
}

Client::~Client() {
  if (fd_ >= 0) close(fd_);
}

void Client::send(std::string_view bytes) const {
  while (!bytes.empty()) {
    const auto sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    pollfd wanted{fd_, POLLOUT, 0};
    if (sent < 0 && (errno != EAGAIN || poll(&wanted, 1, patience_ms) != 1)) return;
    if (sent > 0) bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
}

std::size_t Client::send_some(std::string_view bytes) const {
  std::size_t total = 0;
  for (pollfd wanted{fd_, POLLOUT, 0}; total < bytes.size() && poll(&wanted, 1, 200) == 1;) {
    const auto sent = ::send(fd_, bytes.data() + total, bytes.size() - total, MSG_NOSIGNAL);
    if (sent < 0) break;
    total += static_cast<std::size_t>(sent);
  }
  return total;
}

std::string Client::line(int wait_ms) {
  for (;;) {
    if (const auto end = buffer_.find("\r\n"); end != std::string::npos) {
      auto line = buffer_.substr(0, end);
      buffer_.erase(0, end + 2);
      return line;
    }
    if (!readable(fd_, wait_ms)) return "";
    std::array<char, 4096> bytes;
    const auto count = recv(fd_, bytes.data(), bytes.size(), 0);
    if (count == 0) return "<closed>";
    if (count < 0) return "<reset>";
    buffer_.append(bytes.data(), static_cast<std::size_t>(count));
  }
}

std::string Client::reply(int wait_ms) {
  auto all = line(wait_ms);
  for (auto last = all; last.size() > 3 && last[3] == '-';) {
    last = line(wait_ms);
    all += "|" + last;
  }
  return all;
}

std::string Client::ask(const std::string& command, int wait_ms) {
  send(command + "\r\n");
  return reply(wait_ms);
}

std::string Client::framed() {
  std::array<char, 4096> bytes;
  while (readable(fd_, 500)) {
    const auto count = recv(fd_, bytes.data(), bytes.size(), 0);
    if (count <= 0) return "";
    buffer_.append(bytes.data(), static_cast<std::size_t>(count));
    if (buffer_.size() < 2) continue;
    const auto length = static_cast<std::size_t>(static_cast<unsigned char>(buffer_[0]) << 8 |
                                                 static_cast<unsigned char>(buffer_[1]));
    if (buffer_.size() >= 2 + length) return buffer_.substr(2, length);
  }
  return "";
}

std::string ask_udp(std::uint16_t port, const std::string& name, std::uint16_t type, std::size_t packets) {
  const Descriptor socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const auto peer = SocketAddress::loopback("127.0.0.1", port);
  const auto packet = question(name, type);
  sendto(socket.get(), packet.data(), packet.size(), 0, peer.get(), peer.length);
  std::array<char, 4096> bytes;
  ssize_t size = 0;
  for (std::size_t i = 0; i < packets; ++i) {
    if (!readable(socket.get(), 500)) return "";
    size = recv(socket.get(), bytes.data(), bytes.size(), 0);
  }
  return size > 0 ? std::string(bytes.data(), static_cast<std::size_t>(size)) : "";
}

std::string ask_tcp(std::uint16_t port, const std::string& name, std::uint16_t type) {
  Client client("127.0.0.1", port);
  if (!client.connected()) return "";
  const auto packet = question(name, type);
  client.send(dns::wire_u16(static_cast<std::uint16_t>(packet.size())) + packet);
  return client.framed();
}

} // namespace bulkmail::world::test
