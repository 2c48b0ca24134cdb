// A bulkmail-world of a test: started on a world file in a temporary folder, stopped by SIGTERM, its log and summary
// read back. And a plain client, which says exactly what it is told.
#pragma once

#include "tests/world/fields.h"

#include <nlohmann/json.hpp>

#include <filesystem>

namespace bulkmail::world::test {

class RunningWorld {
 public:
  explicit RunningWorld(const std::string& json);
  ~RunningWorld();
  RunningWorld(const RunningWorld&) = delete;
  RunningWorld& operator=(const RunningWorld&) = delete;

  [[nodiscard]] const Json& ready() const { return ready_; }

  [[nodiscard]] std::uint16_t smtp_port() const { return ready_["smtp_port"].get<std::uint16_t>(); }

  [[nodiscard]] std::uint16_t dns_port(std::size_t server = 0) const;
  std::string reload(const std::string& json); // what it printed
  Json stop();                                 // the summary
  [[nodiscard]] std::vector<Json> log(const std::string& event) const;

  [[nodiscard]] const std::filesystem::path& folder() const { return folder_; }

 private:
  void write(const std::string& json) const;
  std::string read_line() const;
  std::filesystem::path folder_;
  int output_ = -1;
  int pid_ = -1;
  Json ready_;
};

class Client {
 public:
  Client(const std::string& address, std::uint16_t port);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  [[nodiscard]] bool connected() const { return fd_ >= 0; }

  void send(std::string_view bytes) const;
  [[nodiscard]] std::size_t send_some(std::string_view bytes) const; // what went within 200 ms
  std::string line(int wait_ms = 3000);  // without CRLF; "" if none came; "<closed>", "<reset>"
  std::string reply(int wait_ms = 3000); // all lines of one reply, joined by "|"
  std::string ask(const std::string& command, int wait_ms = 3000);
  std::string framed(); // one DNS message over TCP, without its length

 private:
  int fd_ = -1;
  std::string buffer_;
};

// Asks the name server on 127.0.0.1; "" if no answer came.
std::string ask_udp(std::uint16_t port, const std::string& name, std::uint16_t type, std::size_t packets = 1);
std::string ask_tcp(std::uint16_t port, const std::string& name, std::uint16_t type);

inline int rcode(const std::string& packet) { return packet.at(3) & 15; }

inline int answers(const std::string& packet) { return static_cast<unsigned char>(packet.at(7)); }

inline bool truncated(const std::string& packet) { return (packet.at(2) & 2) != 0; }

} // namespace bulkmail::world::test
