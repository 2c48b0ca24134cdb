// From a domain or host to its Route (RFC 5321 §5.1, RFC 7505), without I/O: says what it wants to know, takes
// answers, decides.
//
// Permanent is only what the DNS says for certain; a single doubt among hosts that all fail delays. Hosts in
// doubt beside a usable one are left out for as long as the doubt is remembered.
//
// Where the MX set and a host's addresses are proved by DNSSEC, it also finds out what the host's certificate must match
// (RFC 7672 §2.2): each host's records are asked for as soon as its addresses are known, and never where nothing is proved.
#pragma once

#include "resolver/mx/tlsa_search.h"
#include "resolver/mx/trail.h"
#include "resolver/route.h"
#include "resolver/target.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace bulkmail::resolver {

// What this host is and wants, the same for every domain.
struct MxRules {
  std::string hostname;                 // canonical
  std::vector<IpAddress> own_addresses; // sorted
  bool allow_private = false;
  bool ipv6 = true, ipv4 = true;
  bool dane = true;
};

class MxLookup {
 public:
  using Ticket = std::size_t; // tells an MxLookup what an answer is to

  MxLookup(const Target& target, std::shared_ptr<const MxRules> rules, Monotonic now);

  [[nodiscard]] std::optional<std::pair<Ticket, Question>> next_question();
  void answer(Ticket ticket, std::shared_ptr<const Answer> answer, Monotonic now);

  // None: it waits for answers.
  [[nodiscard]] const std::optional<RouteAnswer>& result() const { return result_; }

  [[nodiscard]] std::optional<RouteAnswer>& result() { return result_; }

 private:
  // A mail host on its way to being usable or not.
  struct Candidate {
    MxData mx;
    std::vector<Trail> trails; // A, AAAA; none: its name is not one of a host
    std::optional<TlsaSearch> tlsa;
  };

  // What a Candidate turned out to be.
  struct Finding {
    std::vector<IpAddress> addresses; // usable ones
    bool is_this_host = false;
    bool private_only = false;
    bool in_doubt = false;         // at least one question has no answer for now
    const Trail* proved = nullptr; // one that led to addresses, if all that did are proved
    std::string doubt_text;
    Monotonic expires = Monotonic::max();
  };

  void literal(IpAddress address, Monotonic now);
  void mx_known(Monotonic now);
  void take_hosts(const std::vector<MxData>& hosts, Monotonic now);
  void identify(const std::vector<MxData>& hosts);
  void add_candidate(MxData mx);
  void use(MailHost host);
  void addresses_known(std::size_t candidate);
  [[nodiscard]] Finding examine(const Candidate& candidate) const;
  void decide(Monotonic now);
  void fail(bool permanent, const char* status, std::string text, Monotonic until, bool policy = false);
  [[nodiscard]] bool is_this_host(const IpAddress& address) const;
  [[nodiscard]] bool usable(const IpAddress& address) const;

  // A candidate's begin at 1 + 3 * its number: those of its address trails, then that of its TLSA records.
  static constexpr Ticket mx_ticket = 0;
  static constexpr Ticket tickets_each = 3, tlsa_ticket = 2;

  std::shared_ptr<const MxRules> rules_;
  std::uint16_t port_; // where its hosts take mail; TLSA records are a port's
  bool host_;          // the configuration names the host: no MX, any address
  Route route_;        // as far as known; its site is that of the whole MX set
  Trail mx_;
  std::vector<Candidate> candidates_;
  bool self_by_name_ = false; // this host's name stood in the MX set: it and what is not better was dropped
  std::vector<Ticket> to_ask_;
  std::size_t unanswered_ = 0;
  std::optional<RouteAnswer> result_;
};

} // namespace bulkmail::resolver
