// From recipient domains to Routes, and from names to their TXT records, without I/O: cache, questions in flight, servers, retries, UDP and TCP.
//
// One question is in flight however many ask; thousands at once. Every answer is checked: server, port, id,
// question, 0x20 case (RFC 5452). Doubt is never a bounce: SERVFAIL, REFUSED, time-outs and lame or broken
// answers delay.
//
//   resolver.want({"d1.example", 25}, now);
//   for (;;) {
//     while (auto action = resolver.next_action()) perform it: see Action
//     on a datagram:  resolver.datagram(socket, from, bytes, now);
//     on TCP:         resolver.stream_data / stream_closed
//     on the timer at resolver.deadline():  resolver.timeout(now);
//     while (auto found = resolver.next_route()) …
//     while (auto found = resolver.next_txt()) …
//   }
#pragma once

#include "resolver/route.h"
#include "resolver/target.h"

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bulkmail::resolver {

// Whose AD bit counts (RFC 4035 §4.9.3): what a server across a network says, anyone on the path may have said.
enum class TrustAd : std::uint8_t { never, loopback, always };

struct ResolverConfig {
  std::vector<Endpoint> servers;
  TrustAd trust_ad = TrustAd::loopback;
  std::chrono::milliseconds timeout{2000}; // per try
  int attempts = 4;
  std::string hostname;                 // this host's name
  std::vector<IpAddress> own_addresses; // this machine's, loopback left out
  bool allow_private = false;           // private_targets
  bool ipv6 = true, ipv4 = true;        // address families to ask for
  bool dane = true;                     // ask for TLSA records
  std::size_t cache_entries = 200'000;
  std::size_t sockets = 2000; // questions in flight at once, each with a socket of its own; 2000 at most
};

// The TXT records of a name, the strings of each joined; none is an answer too.
struct Txt {
  std::vector<std::string> texts;
  Monotonic expires{}; // never used later than this
};

// Nothing is known of them for now.
struct TxtDoubt {
  std::string text;
  Monotonic until{}; // may be kept so long
};

using TxtAnswer = std::expected<Txt, TxtDoubt>;

using SocketId = std::uint64_t;

// Every socket that is opened is closed by one close action, also after it failed or ended by itself: to
// close one that is not open any more does nothing. No id comes twice.
struct Action {
  enum class Kind : std::uint8_t {
    send_datagram, // open a fresh UDP socket on a random port for `socket`, send `bytes` to `to`
    close_datagram,
    open_stream, // connect TCP to `to`, then send `bytes` (length prefix included)
    close_stream,
  } kind = Kind::send_datagram;
  SocketId socket = 0;
  Endpoint to;
  std::string bytes;
};

class Resolver {
 public:
  Resolver(ResolverConfig config, Dice& dice);
  ~Resolver();
  Resolver(Resolver&&) noexcept;

  // Asks for the route to a domain, literal or host; the answer is named by what was asked for. The answer comes by
  // next_route(), at once if it is cached; asked again while under way, one answer serves all.
  void want(const Target& target, Monotonic now);
  [[nodiscard]] std::optional<std::pair<Target, RouteAnswer>> next_route();

  // The same for the TXT records of a name, lower case: "_mta-sts.d1.example".
  void want_txt(const std::string& name, Monotonic now);
  [[nodiscard]] std::optional<std::pair<std::string, TxtAnswer>> next_txt();

  [[nodiscard]] std::optional<Action> next_action();
  void datagram(SocketId socket, const Endpoint& from, std::string_view bytes, Monotonic now);
  void datagram_failed(SocketId socket, Monotonic now); // could not be sent: ICMP, EMFILE
  void stream_data(SocketId socket, std::string_view bytes, Monotonic now);
  void stream_closed(SocketId socket, Monotonic now); // refused, reset or ended
  [[nodiscard]] std::optional<Monotonic> deadline() const;
  void timeout(Monotonic now);

  struct Stats {
    std::uint64_t questions = 0; // put to name servers, not answered from the cache
    std::uint64_t sent = 0;      // packets, TCP included
    std::uint64_t answers = 0;   // that matched what was sent
    std::uint64_t ignored = 0;   // that did not, or came too late
    std::uint64_t cache_hits = 0, timeouts = 0;
  };

  [[nodiscard]] Stats stats() const;
  [[nodiscard]] std::size_t in_flight() const; // questions without an answer yet, sent or not

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// What /etc/resolv.conf says: the name servers (the local host if there are none) and whether their AD bit
// may be trusted.
struct ResolvConf {
  std::vector<Endpoint> servers;
  bool trust_ad = false;
};

[[nodiscard]] ResolvConf parse_resolv_conf(std::string_view text);

} // namespace bulkmail::resolver
