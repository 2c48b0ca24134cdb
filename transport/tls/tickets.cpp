#include "transport/tls/tickets.h"

#include "spool/digest.h"

#include <openssl/ssl.h>

#include <algorithm>
#include <iterator>
#include <utility>

namespace bulkmail::transport {

namespace {

// Each part with its length: no two policies read alike.
void add_part(spool::Sha256& sum, std::string_view part) {
  const std::uint64_t size = part.size();
  sum.update({reinterpret_cast<const char*>(&size), sizeof size});
  sum.update(part);
}

} // namespace

TicketKey ticket_key(std::string_view host, std::uint16_t port, const TlsPolicy& policy) {
  spool::Sha256 sum;
  add_part(sum, host);
  add_part(sum, {reinterpret_cast<const char*>(&port), sizeof port});
  add_part(sum, to_string(policy.level));
  add_part(sum, policy.server_name);
  for (const std::string& name : policy.names) add_part(sum, name);
  for (const resolver::TlsaRecord& record : policy.tlsa) {
    const char head[] = {static_cast<char>(record.usage), static_cast<char>(record.selector),
                         static_cast<char>(record.matching)};
    add_part(sum, {head, sizeof head});
    add_part(sum, record.data);
  }
  return sum.finish();
}

void TicketStore::add(const TicketKey& key, SslSessionPointer ticket, Monotonic now) {
  const std::chrono::seconds lifetime(SSL_SESSION_get_ticket_lifetime_hint(ticket.get()));
  const Monotonic until =
      now + (lifetime.count() > 0 ? std::min<std::chrono::seconds>(lifetime, keep) : keep);
  if (const auto host = kept_.find(key); host != kept_.end() && host->second.size() >= max_a_host)
    drop(host, 0);
  by_age_.push_back({key, std::move(ticket), until});
  kept_[key].push_back(std::prev(by_age_.end()));
  while (by_age_.size() > max_tickets || by_age_.front().until <= now) drop_oldest();
}

SslSessionPointer TicketStore::take(const TicketKey& key, Monotonic now) {
  while (!by_age_.empty() && by_age_.front().until <= now) drop_oldest();
  const auto host = kept_.find(key);
  if (host == kept_.end()) return nullptr;
  Ticket& youngest = *host->second.back();
  if (youngest.until <= now) {
    drop(host, host->second.size() - 1);
    return nullptr;
  }
  if (SSL_SESSION_get_protocol_version(youngest.session.get()) < TLS1_3_VERSION) {
    SSL_SESSION_up_ref(youngest.session.get());
    return SslSessionPointer(youngest.session.get());
  }
  SslSessionPointer session = std::move(youngest.session);
  drop(host, host->second.size() - 1);
  return session;
}

void TicketStore::drop(Kept::iterator host, std::size_t index) {
  auto& tickets = host->second;
  by_age_.erase(tickets[index]);
  tickets.erase(tickets.begin() + static_cast<std::ptrdiff_t>(index));
  if (tickets.empty()) kept_.erase(host);
}

// A host's tickets are in the order of their age too.
void TicketStore::drop_oldest() { drop(kept_.find(by_age_.front().key), 0); }

} // namespace bulkmail::transport
