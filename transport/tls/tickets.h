// Session tickets (RFC 5077, RFC 8446 §4.6.1): what makes the next session with a host cost a fraction of the first.
//
// A resumed session is not verified again: it proves what the session that got the ticket proved. So a ticket serves only
// where all is as it was: TicketKey is a digest of the host, the port and the whole policy, TLSA records included. One of
// TLS 1.3 is used once (RFC 8446 §C.4: else observers could link the sessions). Of one worker; bounded, as hosts fill it.
#pragma once

#include "spool/message.h"
#include "spool/time.h"
#include "transport/tls/handles.h"
#include "transport/tls/policy.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <string_view>
#include <vector>

namespace bulkmail::transport {

using TicketKey = spool::Digest;

[[nodiscard]] TicketKey ticket_key(std::string_view host, std::uint16_t port, const TlsPolicy& policy);

class TicketStore {
 public:
  // A ticket refers to its host's certificates, some 10 KiB of them in memory.
  static constexpr std::size_t max_tickets = 2000;
  // As many sessions of one host may begin at once and resume.
  static constexpr std::size_t max_a_host = 8;
  // What is older resumes nothing: a host's certificate is looked at again in less time than a revocation takes.
  static constexpr std::chrono::hours keep{2};

  void add(const TicketKey& key, SslSessionPointer ticket, Monotonic now);
  // The youngest; null: none.
  [[nodiscard]] SslSessionPointer take(const TicketKey& key, Monotonic now);

  [[nodiscard]] std::size_t size() const { return by_age_.size(); }

 private:
  struct Ticket {
    TicketKey key;
    SslSessionPointer session;
    Monotonic until;
  };

  using ByAge = std::list<Ticket>;
  using Kept = std::map<TicketKey, std::vector<ByAge::iterator>>; // a host's, oldest first

  void drop(Kept::iterator host, std::size_t index);
  void drop_oldest();

  ByAge by_age_; // oldest first
  Kept kept_;
};

} // namespace bulkmail::transport
