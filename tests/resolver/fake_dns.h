// A name server in the test's own hands: builds answers with an encoding of its own, keeps a small world of
// records, and drives a Resolver over virtual time. Nothing here touches a network.
#pragma once

#include "resolver/resolver.h"
#include "resolver/wire/question.h"
#include "tests/seeded_dice.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bulkmail::resolver::fake {

using namespace std::chrono_literals;

using test::SeededDice;

inline Endpoint endpoint(std::string_view text) { return Endpoint::parse(text, 53).value(); }

inline IpAddress ip(std::string_view text) { return IpAddress::parse(text).value(); }

inline std::string word(unsigned value) {
  return {static_cast<char>(value >> 8U & 0xffU), static_cast<char>(value & 0xffU)};
}

inline std::string wire_name(std::string_view name) {
  std::string wire;
  while (!name.empty() && name != ".") {
    const std::size_t end = std::min(name.find('.'), name.size());
    wire += static_cast<char>(end);
    wire += name.substr(0, end);
    name.remove_prefix(std::min(end + 1, name.size()));
  }
  return wire + '\0';
}

inline std::string lower(std::string text) {
  for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return text;
}

// A query as a server sees it.
struct Asked {
  explicit Asked(std::string bytes) : packet(std::move(bytes)) {
    std::size_t at = 12;
    while (packet.at(at) != 0) {
      const auto length = static_cast<std::size_t>(packet[at]);
      name_as_sent += (name_as_sent.empty() ? "" : ".") + packet.substr(at + 1, length);
      at += 1 + length;
    }
    name = lower(name_as_sent);
    type = static_cast<Type>(static_cast<unsigned char>(packet.at(at + 1)) << 8 |
                             static_cast<unsigned char>(packet.at(at + 2)));
    question = packet.substr(12, at + 5 - 12);
    edns = packet[11] != 0;
    authentic = (packet[3] & 0x20) != 0;
  }

  std::string packet, question, name_as_sent, name;
  Type type = Type::a;
  bool edns = false;
  bool authentic = false; // the AD bit: an answer's is wanted
};

// A response to it; recursion available unless told otherwise.
class Reply {
 public:
  explicit Reply(const Asked& asked) : id_(asked.packet.substr(0, 2)), question_(asked.question) {}

  Reply& rcode(unsigned code) { return rcode_ = code, *this; }

  Reply& authoritative(bool on = true) { return flags_ = on ? flags_ | 0x0400U : flags_ & ~0x0400U, *this; }

  Reply& recursive(bool on) { return flags_ = on ? flags_ | 0x0080U : flags_ & ~0x0080U, *this; }

  Reply& authentic() { return flags_ |= 0x0020U, *this; }

  Reply& truncated() { return flags_ |= 0x0200U, *this; }

  Reply& not_a_response() { return flags_ &= ~0x8000U, *this; }

  Reply& wrong_id() { return id_[0] ^= 1, *this; }

  Reply& question(std::string bytes) { return question_ = std::move(bytes), *this; }

  Reply& no_question() { return question_.clear(), *this; }

  Reply& counted(unsigned more) { return more_ = more, *this; }

  enum Section : std::uint8_t { answer, authority, additional };

  Reply& record(Section section, std::string_view name, unsigned type, unsigned ttl,
                const std::string& data) {
    sections_[section] += wire_name(name) + word(type) + word(1) + word(ttl >> 16U) + word(ttl & 0xffffU) +
                          word(static_cast<unsigned>(data.size())) + data;
    ++counts_[section];
    return *this;
  }

  Reply& mx(std::string_view name, unsigned ttl, unsigned preference, std::string_view host) {
    return record(answer, name, 15, ttl, word(preference) + wire_name(host));
  }

  Reply& cname(std::string_view name, unsigned ttl, std::string_view target) {
    return record(answer, name, 5, ttl, wire_name(target));
  }

  Reply& address(std::string_view name, unsigned ttl, std::string_view text) {
    const IpAddress found = ip(text);
    const bool v4 = found.family == IpAddress::Family::v4;
    return record(answer, name, v4 ? 1 : 28, ttl,
                  {reinterpret_cast<const char*>(found.bytes.data()), v4 ? 4U : 16U});
  }

  Reply& tlsa(std::string_view name, unsigned ttl, const TlsaRecord& record_) {
    std::string data{static_cast<char>(record_.usage), static_cast<char>(record_.selector),
                     static_cast<char>(record_.matching)};
    return record(answer, name, 52, ttl, data += record_.data);
  }

  Reply& soa(std::string_view zone, unsigned ttl, unsigned minimum) {
    return record(authority, zone, 6, ttl,
                  wire_name("ns.example") + wire_name("root.example") + std::string(16, '\1') +
                      word(minimum >> 16U) + word(minimum & 0xffffU));
  }

  Reply& ns(std::string_view zone, std::string_view host) {
    return record(authority, zone, 2, 300, wire_name(host));
  }

  [[nodiscard]] std::string bytes() const {
    return id_ + word(flags_ | rcode_) + word(question_.empty() ? 0 : 1) + word(counts_[0] + more_) +
           word(counts_[1]) + word(counts_[2]) + question_ + sections_[0] + sections_[1] + sections_[2];
  }

 private:
  std::string id_, question_;
  unsigned flags_ = 0x8180, rcode_ = 0, more_ = 0;
  std::string sections_[3];
  unsigned counts_[3] = {0, 0, 0};
};

// Records, and the answers that a resolving server gives from them: with CNAME chains, NXDOMAIN and SOA, and proved where
// every name of the chain lies in a signed zone.
struct Records {
  struct Datum {
    unsigned preference = 0;
    std::string text; // exchange, address or TXT
    TlsaRecord tlsa{};
  };

  std::map<std::pair<std::string, Type>, std::vector<Datum>> data;
  std::map<std::string, std::string> aliases;
  std::set<std::string> names;
  std::map<std::string, unsigned> broken; // response code for every question about the name
  std::set<std::string> signed_zones;
  unsigned ttl = 300, negative_ttl = 60;

  Records& mx(const std::string& name, unsigned preference, const std::string& host) {
    names.insert(name);
    data[{name, Type::mx}].push_back({preference, host});
    return *this;
  }

  Records& address(const std::string& name, const std::string& text) {
    names.insert(name);
    data[{name, text.find(':') == text.npos ? Type::a : Type::aaaa}].push_back({0, text});
    return *this;
  }

  Records& tlsa(const std::string& name, TlsaRecord record) {
    names.insert(name);
    data[{name, Type::tlsa}].push_back({0, {}, std::move(record)});
    return *this;
  }

  Records& txt(const std::string& name, const std::string& text) {
    names.insert(name);
    data[{name, Type::txt}].push_back({0, text});
    return *this;
  }

  [[nodiscard]] bool proved(const std::string& name) const {
    return std::ranges::any_of(
        signed_zones, [&](const std::string& zone) { return name == zone || name.ends_with("." + zone); });
  }

  Records& cname(const std::string& name, const std::string& target) { return aliases[name] = target, *this; }

  [[nodiscard]] std::string answer(const Asked& asked) const {
    Reply reply(asked);
    if (const auto found = broken.find(asked.name); found != broken.end())
      return reply.rcode(found->second).bytes();
    std::string name = asked.name;
    bool secure = proved(name);
    for (int links = 0; aliases.contains(name) && links < 20; ++links) {
      reply.cname(name, ttl, aliases.at(name));
      name = aliases.at(name);
      secure &= proved(name);
    }
    if (secure && asked.authentic) reply.authentic(); // RFC 6840 §5.7
    const auto found = data.find({name, asked.type});
    if (found == data.end()) {
      if (!names.contains(name)) reply.rcode(3);
      return aliases.contains(name) ? reply.bytes() : reply.soa("example", negative_ttl, 3600).bytes();
    }
    for (const Datum& datum : found->second) {
      switch (asked.type) {
      case Type::mx: reply.mx(name, ttl, datum.preference, datum.text); break;
      case Type::tlsa: reply.tlsa(name, ttl, datum.tlsa); break;
      case Type::txt:
        reply.record(Reply::answer, name, 16, ttl, static_cast<char>(datum.text.size()) + datum.text);
        break;
      default: reply.address(name, ttl, datum.text);
      }
    }
    return reply.bytes();
  }
};

// What a server has to say to a packet: any number of packets, or none.
struct Sent {
  Endpoint to;
  bool stream = false;
  Asked asked;
};

using Server = std::function<std::vector<std::string>(const Sent&)>;

inline ResolverConfig config(std::vector<Endpoint> servers = {endpoint("127.0.0.1:53")}) {
  ResolverConfig made;
  made.servers = std::move(servers);
  made.hostname = "relay.example";
  made.own_addresses = {ip("198.51.100.1")};
  return made;
}

// Drives a Resolver: performs its actions against a Server, lets time go by to its deadlines.
struct Driver {
  explicit Driver(Server server_, ResolverConfig config_ = fake::config())
      : resolver(std::move(config_), dice),
        server(std::move(server_)) {}

  explicit Driver(const Records& records, ResolverConfig config_ = fake::config())
      : Driver([&records](const Sent& query) { return std::vector{records.answer(query.asked)}; },
               std::move(config_)) {}

  void perform(const Action& action) {
    switch (action.kind) {
    case Action::Kind::close_datagram:
    case Action::Kind::close_stream:
      if (open.erase(action.socket) != 1) throw std::logic_error("a socket closed that is not open");
      return;
    case Action::Kind::send_datagram:
    case Action::Kind::open_stream: break;
    }
    const bool stream = action.kind == Action::Kind::open_stream;
    if (!used.insert(action.socket).second) throw std::logic_error("a socket id used twice");
    open.insert(action.socket);
    most_open = std::max(most_open, open.size());
    Sent seen{action.to, stream, Asked(stream ? action.bytes.substr(2) : action.bytes)};
    sent.push_back(seen);
    if (unreachable.contains(action.to)) {
      if (stream)
        resolver.stream_closed(action.socket, now);
      else
        resolver.datagram_failed(action.socket, now);
      return;
    }
    for (const std::string& packet : server(seen)) {
      if (!stream) {
        resolver.datagram(action.socket, action.to, packet, now);
      } else {
        const std::string framed = word(static_cast<unsigned>(packet.size())) + packet;
        for (const char c : framed)
          resolver.stream_data(action.socket, {&c, 1}, now); // the worst of all pieces
      }
    }
  }

  // All that can be done without waiting.
  void act() {
    while (auto action = resolver.next_action()) perform(*action);
  }

  // All that will be done, however long it takes.
  void run() {
    for (act(); resolver.deadline(); act()) {
      now = std::max(now, *resolver.deadline());
      resolver.timeout(now);
    }
  }

  RouteAnswer route(const std::string& domain, std::uint16_t port = 25) {
    return route(Target{domain, port});
  }

  RouteAnswer route(const Target& target) {
    resolver.want(target, now);
    run();
    auto found = resolver.next_route();
    if (!found) throw std::logic_error("no answer for " + target.domain);
    if (found->first != target) throw std::logic_error("an answer for another target");
    if (!open.empty()) throw std::logic_error("a socket was left open");
    return std::move(found->second);
  }

  [[nodiscard]] std::size_t asked(const std::string& name, Type type) const {
    return static_cast<std::size_t>(std::ranges::count_if(
        sent, [&](const Sent& one) { return one.asked.name == name && one.asked.type == type; }));
  }

  SeededDice dice;
  Resolver resolver;
  Server server;
  Monotonic now = Monotonic{} + 1000h;
  std::set<Endpoint> unreachable;
  std::vector<Sent> sent;
  std::set<SocketId> open, used;
  std::size_t most_open = 0;
};

} // namespace bulkmail::resolver::fake
