// The seams through which the agent touches the outside: time, threads, the network and its log. agent/io has the real
// ones on libuv; tests/simulation has virtual ones on a seed. (Dice is resolver/dice.h, Disk is spool/disk.h.)
//
// Everything here belongs to the loop's thread; only a Pool job's `work` runs elsewhere. No handler is ever called from
// inside a call to the object it handles, except where said.
#pragma once

#include "resolver/address.h"
#include "spool/error.h"
#include "spool/time.h"

#include <chrono>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bulkmail::agent {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual Now now() = 0; // constant within one turn of the loop
};

// Runs blocking work off the loop, then `done` on the loop. Order between jobs is not kept.
class Pool {
 public:
  virtual ~Pool() = default;
  virtual void run(std::function<void()> work, std::function<void()> done) = 0;
};

// A byte stream: TCP or a unix socket. Destroying it closes it, and no handler call comes after that; a handler may
// destroy its channel.
class Channel {
 public:
  class Handler {
   public:
    virtual ~Handler() = default;

    virtual void connected() {} // of a channel that connect() made

    virtual void received(std::string_view bytes) = 0;

    virtual void drained() {} // all that was written is with the kernel, after not all of it was

    // End of stream, refused, reset: nothing comes after it. `local`: the cause is on this machine (no descriptors left).
    virtual void closed(std::string_view why, bool local) = 0;
  };

  virtual ~Channel() = default;
  virtual void set_handler(Handler& handler) = 0;
  virtual void write(std::string bytes) = 0;
  [[nodiscard]] virtual std::size_t unwritten() const = 0; // bytes not yet with the kernel
  virtual void pause_reading(bool paused) = 0;
};

// What leads to something final, a program or a file, and takes what is written up to its end. Destroying it before it has
// ended stops the program, with all that it has started, or drops the file.
class Outlet {
 public:
  class Handler {
   public:
    virtual ~Handler() = default;

    virtual void received(std::string_view /*bytes*/) {} // what a program says

    virtual void drained() = 0; // all that was written is taken, after not all of it was

    // One of these is the last call.
    virtual void ended(int code, int signal) = 0;  // the program exited or died; 0: the file is in its place
    virtual void broken(std::string_view why) = 0; // it could not be opened or written
  };

  virtual ~Outlet() = default;
  virtual void write(std::string bytes) = 0;
  [[nodiscard]] virtual std::size_t unwritten() const = 0;
  virtual void end() = 0; // nothing more is written
};

class Datagram {
 public:
  class Handler {
   public:
    virtual ~Handler() = default;
    virtual void received(const resolver::Endpoint& from, std::string_view bytes) = 0;
    virtual void failed() = 0; // could not be sent or made
  };

  virtual ~Datagram() = default;
};

// A socket that others connect to.
class Listener {
 public:
  virtual ~Listener() = default;
};

class Network {
 public:
  virtual ~Network() = default;
  // From that address of this machine; none: the system's choice.
  [[nodiscard]] virtual std::unique_ptr<Channel> connect(const resolver::Endpoint& to,
                                                         const std::optional<resolver::IpAddress>& from,
                                                         Channel::Handler& handler) = 0;
  // One datagram to `to` from a fresh socket on a random port; answers come to the handler until it is destroyed.
  [[nodiscard]] virtual std::unique_ptr<Datagram> send(const resolver::Endpoint& to, std::string_view bytes,
                                                       Datagram::Handler& handler) = 0;
};

// What else there is on this machine to hand mail to.
class Machine {
 public:
  virtual ~Machine() = default;
  // To the unix socket of that path.
  [[nodiscard]] virtual std::unique_ptr<Channel> connect(const std::string& socket,
                                                         Channel::Handler& handler) = 0;
  // A program, by its whole path the first of the arguments, with that environment and no other.
  [[nodiscard]] virtual std::unique_ptr<Outlet> start(const std::vector<std::string>& arguments,
                                                      const std::vector<std::string>& environment,
                                                      Outlet::Handler& handler) = 0;
};

// One request over HTTPS to a host whose certificate has to hold.
struct HttpsRequest {
  std::string host; // canonical
  std::uint16_t port = 443;
  std::string path;                           // begins with "/"
  std::vector<resolver::IpAddress> addresses; // of the host, tried in turn
  std::string content_type, body;             // to be sent; no type: nothing is sent, only asked for
  std::string ca_file;                        // trust store; "": the system's
  std::chrono::milliseconds timeout{60'000};  // for all of it
  std::size_t longest_answer = 65'536;        // octets
};

// The answer's body, of a 2xx alone; or what went wrong, fit for a log line.
using HttpsAnswer = std::expected<std::string, std::string>;

class Https {
 public:
  virtual ~Https() = default;
  virtual void send(HttpsRequest request, std::function<void(HttpsAnswer)> done) = 0;
};

enum class Level : std::uint8_t { debug, info, warning, error };

// Takes whole lines (agent/run/log_line.h makes them).
class Log {
 public:
  virtual ~Log() = default;
  [[nodiscard]] virtual bool wants(Level level) const = 0;
  [[nodiscard]] virtual bool json() const = 0;
  virtual void write(Level level, std::string_view line) = 0;
};

struct Seams {
  Clock& clock;
  Pool& pool;
  Network& network;
  Machine& machine;
  Https& https;
  Log& log;
};

} // namespace bulkmail::agent
