// On what terms mail leaves: over which transport, to which port, how well protected, and as whom. Mail of different terms
// never shares a session (LaneKey); limits hold per Site, whatever the terms.
#pragma once

#include "resolver/policy/mta_sts.h"
#include "resolver/site.h"
#include "transport/auth/credentials.h"
#include "transport/kinds/kind.h"
#include "transport/tls/policy.h"

#include <cstdint>
#include <memory>
#include <string>

namespace bulkmail::agent {

struct Terms {
  using Sessions = transport::kinds::Kind::Sessions;
  Sessions sessions = Sessions::smtp; // none: `delivery` has it
  std::uint16_t port = 25;
  std::string socket; // path of a unix socket, instead of the port; empty: none
  transport::TlsLevel tls = transport::TlsLevel::opportunistic;
  bool implicit_tls = false; // from the first octet (RFC 8314 §3.3)
  std::shared_ptr<const resolver::StsPolicy> sts;
  std::shared_ptr<const transport::Credentials> credentials;
  std::shared_ptr<const transport::kinds::Delivery> delivery;
  std::uint32_t recipients = 1'000'000; // of one transaction, at most

  // To what is on this machine: there is no address to send from.
  [[nodiscard]] bool local() const { return delivery != nullptr || !socket.empty(); }

  resolver::SiteKey key{}; // of all of it, as `agreed` says: equal for equal terms, whoever holds them
};

// The terms with their key, to be shared by all that are sent on them.
[[nodiscard]] std::shared_ptr<const Terms> agreed(Terms terms);
// To port 25 with opportunistic TLS.
[[nodiscard]] const std::shared_ptr<const Terms>& standard_terms();

} // namespace bulkmail::agent
