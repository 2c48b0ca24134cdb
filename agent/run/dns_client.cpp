#include "agent/run/dns_client.h"

namespace bulkmail::agent {
namespace {

// Each is a socket made, used or closed: a few milliseconds for all of them.
constexpr int actions_a_turn = 100;

} // namespace

class DnsClient::Socket : public Datagram::Handler {
 public:
  Socket(DnsClient& owner, resolver::SocketId id, const resolver::Endpoint& to, std::string_view bytes)
      : owner_(owner),
        id_(id),
        socket_(owner.network_.send(to, bytes, *this)) {}

  void received(const resolver::Endpoint& from, std::string_view bytes) override {
    owner_.resolver_.datagram(id_, from, bytes, owner_.clock_.now().mono);
  }

  void failed() override { owner_.resolver_.datagram_failed(id_, owner_.clock_.now().mono); }

 private:
  DnsClient& owner_;
  resolver::SocketId id_;
  std::unique_ptr<Datagram> socket_;
};

class DnsClient::Stream : public Channel::Handler {
 public:
  Stream(DnsClient& owner, resolver::SocketId id, const resolver::Endpoint& to, std::string bytes)
      : owner_(owner),
        id_(id),
        question_(std::move(bytes)),
        channel_(owner.network_.connect(to, std::nullopt, *this)) {}

  void connected() override { channel_->write(std::move(question_)); }

  void received(std::string_view bytes) override {
    owner_.resolver_.stream_data(id_, bytes, owner_.clock_.now().mono);
  }

  void closed(std::string_view, bool) override {
    channel_.reset();
    owner_.resolver_.stream_closed(id_, owner_.clock_.now().mono);
  }

 private:
  DnsClient& owner_;
  resolver::SocketId id_;
  std::string question_;
  std::unique_ptr<Channel> channel_;
};

DnsClient::DnsClient(resolver::ResolverConfig config, Dice& dice, Clock& clock, Network& network,
                     Timers& timers)
    : resolver_(std::move(config), dice),
      clock_(clock),
      network_(network),
      alarm_(timers, [this] { resolver_.timeout(clock_.now().mono); }) {}

DnsClient::~DnsClient() = default;

void DnsClient::want(const resolver::Target& target) { resolver_.want(target, clock_.now().mono); }

std::optional<std::pair<resolver::Target, resolver::RouteAnswer>> DnsClient::next_route() {
  return resolver_.next_route();
}

void DnsClient::want_txt(const std::string& name) { resolver_.want_txt(name, clock_.now().mono); }

std::optional<std::pair<std::string, resolver::TxtAnswer>> DnsClient::next_txt() {
  return resolver_.next_txt();
}

bool DnsClient::turn() {
  bool more = true;
  for (int left = actions_a_turn; more && left > 0; --left) more = act();
  alarm_.set(resolver_.deadline());
  return more;
}

bool DnsClient::act() {
  auto action = resolver_.next_action();
  if (!action) return false;
  using Kind = resolver::Action::Kind;
  switch (action->kind) {
  case Kind::send_datagram:
    sockets_.insert_or_assign(action->socket,
                              std::make_unique<Socket>(*this, action->socket, action->to, action->bytes));
    break;
  case Kind::close_datagram: sockets_.erase(action->socket); break;
  case Kind::open_stream:
    streams_.insert_or_assign(action->socket, std::make_unique<Stream>(*this, action->socket, action->to,
                                                                       std::move(action->bytes)));
    break;
  case Kind::close_stream: streams_.erase(action->socket); break;
  }
  return true;
}

} // namespace bulkmail::agent
