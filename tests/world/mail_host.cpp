#include "tests/world/mail_host.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <fstream>

namespace bulkmail::world {
namespace {

constexpr int backlog = 4096;
// Small enough that a peer notices within some kilobytes that this host stopped reading.
constexpr int small_receive_buffer = 4096;
constexpr int most_fillers = 8;
constexpr int filler_wait_ms = 50;
constexpr int accepts_a_turn = 64;

} // namespace

MailHost::Listener::Listener(MailHost& host, const std::string& address, std::uint16_t port)
    : host_(host),
      address_(address) {
  const auto at = SocketAddress::loopback(address, port);
  socket_ = bound_socket(SOCK_STREAM, at, host.rules_.blackhole ? 0 : backlog,
                         host.rules_.turns_deaf() ? small_receive_buffer : 0);
  if (host.rules_.blackhole)
    fill_backlog(at);
  else
    host_.scene_.loop.watch(socket_.get(), EPOLLIN, *this);
}

MailHost::Listener::~Listener() {
  if (!host_.rules_.blackhole) host_.scene_.loop.forget(socket_.get(), *this);
}

// Linux drops a SYN while the accept queue is full; a backlog of nothing holds one connection, or two.
void MailHost::Listener::fill_backlog(const SocketAddress& address) {
  for (int i = 0; i < most_fillers; ++i) {
    Descriptor filler(socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    connect(filler.get(), address.get(), address.length);
    pollfd poll_for{filler.get(), POLLOUT, 0};
    if (poll(&poll_for, 1, filler_wait_ms) == 0) return; // this one hangs: full
    fillers_.push_back(std::move(filler));
  }
}

void MailHost::Listener::ready(std::uint32_t) {
  for (int i = 0; i < accepts_a_turn; ++i) {
    Descriptor socket(accept4(socket_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!socket.open()) return;
    const int on = 1;
    setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    host_.accepted(std::move(socket), address_);
  }
}

MailHost::MailHost(Scene& scene, std::string name)
    : scene_(scene),
      name_(std::move(name)),
      tally_(scene.tally.hosts[name_]) {}

void MailHost::apply(HostRules rules, std::uint16_t port) {
  const bool same = !listeners_.empty() && rules.addresses == rules_.addresses && rules.down == rules_.down &&
                    rules.blackhole == rules_.blackhole && rules.turns_deaf() == rules_.turns_deaf();
  if (!same) listeners_.clear();
  const bool same_tls = rules.tls == rules_.tls;
  rules_ = std::move(rules);
  if (!same_tls) make_certificate();
  if (same || rules_.down) return;
  for (const auto& address : rules_.addresses)
    listeners_.push_back(std::make_unique<Listener>(*this, address, port));
}

// One that stays as long as the file says the same of it: who has looked it up may count on it.
void MailHost::make_certificate() {
  tls_.reset();
  if (!rules_.tls) return;
  if (!scene_.authority) {
    scene_.authority.emplace();
    if (!scene_.certificates.empty())
      std::ofstream(scene_.certificates + "/ca.pem") << test::pem(scene_.authority->certificate());
  }
  const auto identity = rules_.tls->identity(*scene_.authority, name_, rules_.addresses);
  if (!scene_.certificates.empty())
    std::ofstream(fmt::format("{}/{}.pem", scene_.certificates, name_)) << test::pem(identity.certificate);
  tls_.emplace(identity, rules_.tls->versions);
}

std::uint64_t MailHost::next_attempt(const std::string& lower_recipient) {
  return rules_.counts_attempts() ? ++attempts_[lower_recipient] : 1;
}

std::chrono::milliseconds MailHost::known_for(const std::string& lower_sender,
                                              const std::string& lower_recipient) {
  const auto [seen, fresh] =
      first_seen_.try_emplace(lower_sender + '\0' + lower_recipient, scene_.loop.now());
  return std::chrono::duration_cast<std::chrono::milliseconds>(scene_.loop.now() - seen->second);
}

// A peer that closes one connection and opens another has one open, although both events may reach us in one
// turn and in either order. So a new maximum is asserted by asking the kernel which peers are still there.
std::uint64_t MailHost::open_sessions() const {
  std::vector<pollfd> polled;
  for (const auto& [session, owner] : sessions_)
    if (!session->closing()) polled.push_back({session->descriptor(), POLLRDHUP, 0});
  poll(polled.data(), polled.size(), 0);
  return static_cast<std::uint64_t>(std::ranges::count_if(
      polled, [](const pollfd& p) { return (p.revents & (POLLRDHUP | POLLHUP | POLLERR)) == 0; }));
}

void MailHost::accepted(Descriptor socket, const std::string& address) {
  ++tally_.connections;
  auto session = std::make_unique<MailSession>(scene_, *this, std::move(socket), address, ++connections_);
  auto& visitor = *session;
  sessions_.emplace(&visitor, std::move(session));
  tally_.open = sessions_.size();
  const bool limited = rules_.limits_connections();
  if (tally_.open > tally_.max_open || limited) tally_.open = open_sessions();
  tally_.max_open = std::max(tally_.max_open, tally_.open);
  visitor.begin(tally_.open);
}

void MailHost::end_all() {
  while (!sessions_.empty()) sessions_.begin()->first->end("world");
}

void MailHost::ended(MailSession& session) {
  const auto found = sessions_.find(&session);
  scene_.loop.retire(std::move(found->second));
  sessions_.erase(found);
  tally_.open = sessions_.size();
}

} // namespace bulkmail::world
