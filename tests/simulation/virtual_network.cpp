#include "tests/simulation/virtual_network.h"

#include <algorithm>
#include <optional>

namespace bulkmail::simulation {

// Both ends of one connection. What is under way holds it by a weak pointer: a destroyed channel gets nothing more.
class VirtualNetwork::VirtualChannel : public agent::Channel {
 public:
  struct Line {
    Line(VirtualNetwork& n, Handler& h, const Character& character)
        : network(n),
          handler(&h),
          host(character, n.dice_, n.book),
          count(n.connections_) {
      ++*count;
    }

    ~Line() { --*count; }

    VirtualNetwork& network;
    Handler* handler;
    MailHostSession host;
    std::shared_ptr<std::size_t> count;
    Monotonic to_host{}, to_agent{}; // nothing overtakes what was sent before it
    bool host_closed = false;        // the host hears nothing more
    bool closed = false;             // … and the agent knows
  };

  explicit VirtualChannel(std::shared_ptr<Line> line) : line_(std::move(line)) {}

  void set_handler(Handler& handler) override { line_->handler = &handler; }

  void write(std::string bytes) override {
    auto& network = line_->network;
    line_->to_host = std::max(line_->to_host, network.timeline_.now().mono + network.latency());
    network.timeline_.at(line_->to_host, [weak = std::weak_ptr(line_), bytes = std::move(bytes)] {
      const auto line = weak.lock();
      if (!line || line->closed || line->host_closed) return;
      answer(line, line->host.receive(bytes, line->network.timeline_.now().mono));
    });
  }

  [[nodiscard]] std::size_t unwritten() const override { return 0; }

  void pause_reading(bool) override {}

  static void answer(const std::shared_ptr<Line>& line, MailHostSession::Answer answer) {
    auto& network = line->network;
    for (std::string_view rest = answer.bytes; !rest.empty();) {
      const std::size_t piece = 1 + network.dice_.below(rest.size()); // packets are cut anywhere
      deliver(line, [bytes = std::string(rest.substr(0, piece))](Line& to) { to.handler->received(bytes); });
      rest.remove_prefix(piece);
    }
    if (answer.close) {
      line->host_closed = true;
      deliver(line, [](Line& to) {
        to.closed = true;
        to.handler->closed("connection closed by the peer", false);
      });
    }
  }

  static void deliver(const std::shared_ptr<Line>& line, std::function<void(Line&)> what) {
    auto& network = line->network;
    line->to_agent = std::max(line->to_agent, network.timeline_.now().mono + network.latency());
    network.timeline_.at(line->to_agent, [weak = std::weak_ptr(line), what = std::move(what)] {
      if (const auto alive = weak.lock(); alive && !alive->closed) what(*alive);
    });
  }

 private:
  std::shared_ptr<Line> line_;
};

std::unique_ptr<agent::Channel> VirtualNetwork::connect(const resolver::Endpoint& to,
                                                        const std::optional<resolver::IpAddress>&,
                                                        agent::Channel::Handler& handler) {
  static const Character nobody{.unreachable = 1000};
  const auto found = hosts.find(to.address);
  const Character& character = found == hosts.end() ? nobody : found->second;
  auto line = std::make_shared<VirtualChannel::Line>(*this, handler, character);
  if (dice_.below(1000) < static_cast<std::uint64_t>(character.unreachable)) {
    VirtualChannel::deliver(line, [](VirtualChannel::Line& at) {
      at.closed = true;
      at.handler->closed("connection refused", false);
    });
  } else {
    VirtualChannel::deliver(line, [line = std::weak_ptr(line)](VirtualChannel::Line& at) {
      at.handler->connected();
      if (const auto alive = line.lock()) VirtualChannel::answer(alive, alive->host.greet());
    });
  }
  return std::make_unique<VirtualChannel>(std::move(line));
}

class VirtualNetwork::VirtualDatagram : public agent::Datagram {
 public:
  explicit VirtualDatagram(Handler& handler) : alive_(std::make_shared<Handler*>(&handler)) {}

  std::shared_ptr<Handler*> alive_;
};

std::unique_ptr<agent::Datagram> VirtualNetwork::send(const resolver::Endpoint& to, std::string_view bytes,
                                                      agent::Datagram::Handler& handler) {
  auto datagram = std::make_unique<VirtualDatagram>(handler);
  if (dice_.below(1000) < static_cast<std::uint64_t>(lost_datagrams)) return datagram;
  timeline_.after(latency(), [weak = std::weak_ptr(datagram->alive_), to,
                              answer = records.answer(resolver::fake::Asked(std::string(bytes)))] {
    if (const auto alive = weak.lock()) (*alive)->received(to, answer);
  });
  return datagram;
}

} // namespace bulkmail::simulation
