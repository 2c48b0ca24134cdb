#include "tests/world/name_server.h"

#include <arpa/inet.h>
#include <sys/epoll.h>

#include <algorithm>
#include <charconv>

namespace bulkmail::world {
namespace {

constexpr int packets_a_turn = 256;
constexpr std::size_t largest_message = 65535;
constexpr int room_for_questions = 8 << 20; // bytes: thousands may come at once
constexpr int longest_chain = 16;
constexpr std::uint64_t most_copies = 100;
constexpr std::size_t garbage_size = 48;

std::string soa_data(const std::string& zone, std::uint32_t minimum) {
  std::string data = dns::wire_name("ns." + zone) + dns::wire_name("hostmaster." + zone);
  for (const std::uint32_t value : {1U, 3600U, 600U, 86400U, minimum}) data += dns::wire_u32(value);
  return data;
}

// The right packet, spoilt.
std::string spoil(std::string packet, Answer how, const dns::Query& query) {
  constexpr std::size_t question_at = 12;
  switch (how) {
  case Answer::wrong_id: packet[1] = static_cast<char>(packet[1] ^ 0x55); break;
  case Answer::wrong_question:
    if (query.name.empty()) break;
    packet[question_at + 1] = packet[question_at + 1] == 'x' ? 'y' : 'x';
    break;
  case Answer::wrong_case:
    for (std::size_t i = question_at; i < question_at + query.question.size() - 4; ++i)
      if (const char c = packet[i]; (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
        packet[i] = static_cast<char>(c ^ 0x20);
    break;
  case Answer::garbage: {
    std::uint32_t state = 0x9E3779B9U ^ query.id;
    packet.resize(2); // its id is right, to get past the first look
    while (packet.size() < garbage_size) {
      state = state * 1664525U + 1013904223U;
      packet += static_cast<char>(state >> 24);
    }
    break;
  }
  default: break;
  }
  return packet;
}

// "mx-7.many.d1.example" -> 7 and "d1.example" (README.md, `many_mx`).
std::optional<std::pair<std::uint64_t, std::string>> many_mx_host(const std::string& name) {
  const auto dot = name.find('.');
  if (!name.starts_with("mx-") || dot == std::string::npos || name.compare(dot, 6, ".many.") != 0)
    return std::nullopt;
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(name.data() + 3, name.data() + dot, number);
  if (error != std::errc() || end != name.data() + dot) return std::nullopt;
  return std::pair(number, name.substr(dot + 6));
}

} // namespace

class NameServer::Udp final : public Loop::Watcher {
 public:
  Udp(NameServer& server, Descriptor socket) : server_(server), socket_(std::move(socket)) {
    server_.scene_.loop.watch(socket_.get(), EPOLLIN, *this);
  }

  ~Udp() override { server_.scene_.loop.forget(socket_.get(), *this); }

  void ready(std::uint32_t) override {
    std::array<char, 4096> buffer;
    for (int i = 0; i < packets_a_turn; ++i) {
      SocketAddress peer;
      peer.length = sizeof peer.storage;
      const auto size = recvfrom(socket_.get(), buffer.data(), buffer.size(), 0, peer.get(), &peer.length);
      if (size < 0) return;
      auto reply = server_.answer({buffer.data(), static_cast<std::size_t>(size)}, "udp", peer.port());
      if (reply.delay.count() == 0)
        send(reply, peer);
      else
        // The socket may be gone by then; the server isn't.
        server_.scene_.loop.after(reply.delay, [server = &server_, reply = std::move(reply), peer] {
          if (server->udp_) server->udp_->send(reply, peer);
        });
    }
  }

 private:
  void send(const Reply& reply, const SocketAddress& peer) {
    for (const auto& [bytes, elsewhere] : reply.packets) {
      auto own = server_.address_;
      Descriptor other;
      if (elsewhere) {
        if (own.storage.ss_family == AF_INET)
          reinterpret_cast<sockaddr_in*>(&own.storage)->sin_port = 0;
        else
          reinterpret_cast<sockaddr_in6*>(&own.storage)->sin6_port = 0;
        other = bound_socket(SOCK_DGRAM, own, 0);
      }
      sendto(elsewhere ? other.get() : socket_.get(), bytes.data(), bytes.size(), 0, peer.get(), peer.length);
    }
  }

  NameServer& server_;
  Descriptor socket_;
};

class NameServer::Connection final : public Loop::Watcher {
 public:
  Connection(NameServer& server, Descriptor socket, std::uint16_t from_port)
      : server_(server),
        socket_(std::move(socket)),
        from_port_(from_port) {
    server_.scene_.loop.watch(socket_.get(), EPOLLIN, *this);
  }

  ~Connection() override {
    for (auto& timer : timers_) server_.scene_.loop.cancel(timer);
    if (!ended_) server_.scene_.loop.forget(socket_.get(), *this);
  }

  void ready(std::uint32_t events) override {
    if ((events & EPOLLOUT) != 0) flush();
    std::array<char, 4096> buffer;
    const auto size = recv(socket_.get(), buffer.data(), buffer.size(), 0);
    if (size == 0 || (size < 0 && errno != EAGAIN)) return end();
    if (size > 0) input_.append(buffer.data(), static_cast<std::size_t>(size));
    while (input_.size() >= 2 && !ended_) {
      const auto length = static_cast<std::size_t>(static_cast<unsigned char>(input_[0]) << 8 |
                                                   static_cast<unsigned char>(input_[1]));
      if (input_.size() < 2 + length) break;
      auto reply = server_.answer(std::string_view(input_).substr(2, length), "tcp", from_port_);
      input_.erase(0, 2 + length);
      if (reply.delay.count() == 0)
        send(reply);
      else
        timers_.push_back(
            server_.scene_.loop.after(reply.delay, [this, reply = std::move(reply)] { send(reply); }));
    }
  }

 private:
  void send(const Reply& reply) {
    if (reply.close) return end();
    for (const auto& [bytes, elsewhere] : reply.packets)
      output_ += dns::wire_u16(static_cast<std::uint16_t>(bytes.size())) + bytes;
    flush();
  }

  void flush() {
    const auto count = ::send(socket_.get(), output_.data(), output_.size(), MSG_NOSIGNAL);
    if (count > 0) output_.erase(0, static_cast<std::size_t>(count));
    if (count < 0 && errno != EAGAIN) return end();
    server_.scene_.loop.change(socket_.get(), output_.empty() ? EPOLLIN : EPOLLIN | EPOLLOUT, *this);
  }

  void end() {
    if (ended_) return;
    ended_ = true;
    server_.scene_.loop.forget(socket_.get(), *this);
    server_.ended(*this);
  }

  NameServer& server_;
  Descriptor socket_;
  std::uint16_t from_port_;
  std::string input_, output_;
  std::vector<Loop::Timer> timers_;
  bool ended_ = false;
};

class NameServer::Listener final : public Loop::Watcher {
 public:
  Listener(NameServer& server, Descriptor socket) : server_(server), socket_(std::move(socket)) {
    server_.scene_.loop.watch(socket_.get(), EPOLLIN, *this);
  }

  ~Listener() override { server_.scene_.loop.forget(socket_.get(), *this); }

  void ready(std::uint32_t) override {
    SocketAddress peer;
    peer.length = sizeof peer.storage;
    Descriptor socket(accept4(socket_.get(), peer.get(), &peer.length, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!socket.open()) return;
    auto connection = std::make_unique<Connection>(server_, std::move(socket), peer.port());
    auto* const key = connection.get();
    server_.connections_.emplace(key, std::move(connection));
  }

 private:
  NameServer& server_;
  Descriptor socket_;
};

NameServer::NameServer(Scene& scene, const Names& names, std::string key)
    : scene_(scene),
      names_(names),
      key_(std::move(key)) {}

NameServer::~NameServer() = default;

void NameServer::apply(NameServerRules rules) {
  if (rules.port == 0 && address_.length > 0) rules.port = address_.port();
  const bool same = udp_ && rules.address == rules_.address && rules.port == address_.port() && !rules.down &&
                    rules.tcp == rules_.tcp;
  rules_ = std::move(rules);
  if (same) return;
  udp_.reset();
  listener_.reset();
  open();
}

// UDP and TCP on one port; with port 0, on one that is free for both.
void NameServer::open() {
  for (int attempt = 1;; ++attempt) {
    try {
      auto udp = bound_socket(SOCK_DGRAM, SocketAddress::loopback(rules_.address, rules_.port), 0,
                              room_for_questions);
      address_ = local_address(udp.get());
      auto tcp = bound_socket(SOCK_STREAM, address_, 128);
      if (rules_.down) return; // its port is known, and nothing listens
      udp_ = std::make_unique<Udp>(*this, std::move(udp));
      if (rules_.tcp) listener_ = std::make_unique<Listener>(*this, std::move(tcp));
      return;
    } catch (const std::system_error&) {
      if (rules_.port != 0 || attempt == port_attempts) throw;
    }
  }
}

void NameServer::ended(Connection& connection) {
  const auto found = connections_.find(&connection);
  scene_.loop.retire(std::move(found->second));
  connections_.erase(found);
}

const NameRules* NameServer::find_name(const std::string& name) const {
  if (const auto found = names_.find(name); found != names_.end()) return &found->second;
  for (auto dot = name.find('.'); dot != std::string::npos; dot = name.find('.', dot + 1))
    if (const auto found = names_.find("*" + name.substr(dot)); found != names_.end()) return &found->second;
  return nullptr;
}

bool NameServer::is_above_a_name(const std::string& name) const {
  const auto suffix = "." + name;
  return std::ranges::any_of(names_, [&](const auto& entry) { return entry.first.ends_with(suffix); });
}

void NameServer::add_records(const dns::Query& query, const std::string& owner, const NameRules& rules,
                             std::vector<dns::Record>& into) const {
  const auto add = [&](std::string data) { into.push_back({owner, query.type, rules.ttl, std::move(data)}); };
  switch (query.type) {
  case dns::mx:
    for (const auto& record : rules.mx)
      add(dns::wire_u16(record.preference) + dns::wire_name(record.exchange));
    for (std::uint64_t i = 1; i <= rules.many_mx; ++i)
      add(dns::wire_u16(static_cast<std::uint16_t>(i)) +
          dns::wire_name(fmt::format("mx-{}.many.{}", i, owner)));
    break;
  case dns::a:
    for (const auto& address : rules.a) add({address.begin(), address.end()});
    break;
  case dns::aaaa:
    for (const auto& address : rules.aaaa) add({address.begin(), address.end()});
    break;
  case dns::txt:
    for (const auto& text : rules.txt) add(static_cast<char>(text.size()) + text);
    break;
  case dns::cname:
    if (!rules.cname.empty()) add(dns::wire_name(rules.cname));
    break;
  default: break;
  }
}

dns::Response NameServer::resolve(const dns::Query& query) const {
  dns::Response response;
  std::string name = query.name;
  const NameRules* rules = nullptr;
  for (int links = 0; links < longest_chain; ++links) {
    rules = find_name(name);
    if (!rules) {
      const auto many = many_mx_host(name);
      const auto* owner = many ? find_name(many->second) : nullptr;
      const bool exists = owner && many->first >= 1 && many->first <= owner->many_mx;
      if (exists && query.type == dns::a)
        response.answers.push_back(
            {name, dns::a, owner->ttl,
             std::string("\x7F\x09", 2) + dns::wire_u16(static_cast<std::uint16_t>(many->first))});
      if (!exists && !is_above_a_name(name)) response.rcode = dns::Rcode::nxdomain;
      break;
    }
    if (rules->cname.empty() || query.type == dns::cname) {
      add_records(query, name, *rules, response.answers);
      break;
    }
    response.answers.push_back({name, dns::cname, rules->ttl, dns::wire_name(rules->cname)});
    if (rules->cname == query.name) break; // a loop: said once
    name = rules->cname;
  }
  const auto minimum = rules ? rules->negative_ttl : std::optional<std::uint32_t>(60);
  const bool answered = !response.answers.empty() && response.answers.back().type == query.type;
  if (!answered && minimum) {
    const auto zone = name.substr(name.rfind('.') + 1);
    response.authority.push_back({zone, dns::soa, *minimum, soa_data(zone, *minimum)});
  }
  return response;
}

NameServer::Reply NameServer::answer(std::string_view packet, std::string_view transport,
                                     std::uint16_t from_port) {
  const auto query = dns::Query::read(packet);
  if (!query) return {};
  const bool udp = transport == "udp";
  const auto type = dns::type_name(query->type);
  auto& counts = scene_.tally.dns[query->name][type];
  ++counts[udp ? 0 : 1];
  const Question question{type, key_, transport, counts[0] + counts[1], scene_.elapsed_ms()};

  const auto* name = find_name(query->name);
  const auto rule = [&](auto key) -> const AnswerKeys* {
    const auto* keys = name ? name->rules.find(key, question) : nullptr;
    return keys ? keys : rules_.rules.find(key, question);
  };
  const auto* chosen = rule(&AnswerKeys::answer);
  const auto behaviour = chosen ? *chosen->answer : Answer::normal;

  auto response = resolve(*query);
  std::string_view told = to_string(behaviour);
  switch (behaviour) {
  case Answer::normal:
    told = response.rcode == dns::Rcode::nxdomain ? "nxdomain"
           : response.answers.empty()             ? "nodata"
                                                  : "noerror";
    break;
  case Answer::nxdomain:
  case Answer::nodata: {
    const bool none = behaviour == Answer::nxdomain;
    response = {};
    response.rcode = none ? dns::Rcode::nxdomain : dns::Rcode::noerror;
    const auto minimum = name ? name->negative_ttl : std::optional<std::uint32_t>(60);
    const auto zone = query->name.substr(query->name.rfind('.') + 1);
    if (minimum) response.authority.push_back({zone, dns::soa, *minimum, soa_data(zone, *minimum)});
    break;
  }
  case Answer::servfail: response = {.rcode = dns::Rcode::servfail}; break;
  case Answer::refused: response = {.rcode = dns::Rcode::refused}; break;
  case Answer::formerr: response = {.rcode = dns::Rcode::formerr}; break;
  case Answer::notimp: response = {.rcode = dns::Rcode::notimp}; break;
  case Answer::truncated:
    if (udp) response = {.truncated = true};
    break;
  case Answer::lame:
    response = {.recursion_available = false};
    response.authority.push_back({"", dns::ns, 3600, dns::wire_name("a.root-servers.example")});
    break;
  case Answer::loop:
    response = {};
    response.answers.push_back({query->name, dns::cname, 300, dns::wire_name(query->name)});
    break;
  default: break;
  }
  if (const auto* ad = rule(&AnswerKeys::ad)) response.authenticated = *ad->ad && query->ad;

  if (scene_.log.on())
    scene_.event("dns")
        .text("server", key_)
        .text("name", query->name)
        .text("type", type)
        .text("transport", transport)
        .number("from", from_port)
        .number("id", query->id)
        .flag("edns", query->edns)
        .number("count", question.nth)
        .text("answer", told);

  Reply reply;
  if (const auto* slow = rule(&AnswerKeys::slow)) reply.delay = *slow->slow;
  reply.close = behaviour == Answer::close && !udp;
  if (behaviour == Answer::silent || behaviour == Answer::close) return reply;

  auto right = behaviour == Answer::hex ? dns::write_raw(*query, chosen->hex_counts, chosen->hex_bytes)
                                        : dns::write(*query, response);
  const std::size_t most = udp ? query->udp_size : largest_message;
  if (right.size() > most && behaviour != Answer::hex)
    right = dns::write(*query, {.rcode = response.rcode, .truncated = true});
  if (const auto* before = rule(&AnswerKeys::before))
    for (const auto how : *before->before)
      reply.packets.emplace_back(spoil(right, how, *query), how == Answer::wrong_source);
  const auto* copies = rule(&AnswerKeys::copies);
  const auto times = copies ? std::min(*copies->copies, most_copies) : 1;
  for (std::uint64_t i = 0; i < times; ++i)
    reply.packets.emplace_back(spoil(right, behaviour, *query), behaviour == Answer::wrong_source);
  return reply;
}

} // namespace bulkmail::world
