// The seams through which the agent touches the outside: time, threads and the network. agent/io has the real ones on
// libuv; tests/simulation has virtual ones on a seed. (Dice is resolver/dice.h, Disk is spool/disk.h.)
//
// Everything here belongs to the loop's thread; only a Pool job's `work` runs elsewhere.
#pragma once

#include "resolver/address.h"
#include "spool/time.h"

#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace bulkmail::agent {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual Now now() = 0; // the loop's time: constant within a turn
};

// Runs blocking work off the loop and then `done` on the loop. Order between jobs is not kept.
class Pool {
 public:
  virtual ~Pool() = default;
  virtual void run(std::function<void()> work, std::function<void()> done) = 0;
};

// A byte stream: TCP or a unix socket. Destroying it closes it; no handler call comes after that.
class Channel {
 public:
  class Handler {
   public:
    virtual ~Handler() = default;
    virtual void connected() = 0;
    virtual void received(std::string_view bytes) = 0;
    // All that was written before is with the kernel; more may be written.
    virtual void drained() = 0;
    virtual void closed(std::string_view why) = 0; // end of stream, refused, reset; the last call
  };
  virtual ~Channel() = default;
  virtual void write(std::string bytes) = 0;
  // Bytes that someone keeps: not copied.
  virtual void write(std::shared_ptr<const std::string> bytes) = 0;
  [[nodiscard]] virtual std::size_t unwritten() const = 0; // bytes not yet with the kernel
  virtual void pause_reading(bool paused) = 0;
  [[nodiscard]] virtual std::string peer() const = 0;
};

class Datagram {
 public:
  class Handler {
   public:
    virtual ~Handler() = default;
    virtual void received(const resolver::Endpoint& from, std::string_view bytes) = 0;
    virtual void failed(std::string_view why) = 0;
  };
  virtual ~Datagram() = default;
  virtual void send(const resolver::Endpoint& to, std::string_view bytes) = 0;
};

class Network {
 public:
  virtual ~Network() = default;
  virtual std::unique_ptr<Channel> connect(const resolver::Endpoint& to, Channel::Handler& handler) = 0;
  virtual std::unique_ptr<Datagram> datagram(resolver::IpAddress::Family family, Datagram::Handler& handler) = 0;
};

struct Seams {
  Clock& clock;
  Pool& pool;
  Network& network;
};

} // namespace bulkmail::agent
