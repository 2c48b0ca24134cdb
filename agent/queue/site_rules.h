// The [[site]] entries: which limits hold for which mail. Three questions are asked, and for each the first entry that
// answers it wins. Callers keep the answers with their Site, domain or sender; an entry's address is its identity until
// the rules are replaced.
#pragma once

#include "agent/queue/pattern.h"
#include "agent/queue/rate.h"
#include "resolver/address.h"
#include "resolver/route.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bulkmail::agent {

// One entry as it was written; what it does not say is as usual.
struct SiteRule {
  std::vector<std::string> match; // mail hosts by name, suffix or address range; recipient domains
  std::optional<std::uint32_t> connections;
  std::optional<Rate> rate;           // messages
  std::optional<Rate> recipient_rate; // recipients
  std::optional<std::string> group;   // its Sites are one, of this name
  std::optional<bool> mixed_domains;
  std::vector<resolver::IpAddress> source; // not empty: it is sent to from these addresses alone
  std::vector<std::string> sender;         // not empty: rates for each of these sender domains at each Site

  bool operator==(const SiteRule&) const = default;
};

// "": it can be in `match`; else what is wrong with it.
[[nodiscard]] std::string judge_site_pattern(std::string_view text);

class SiteRules {
 public:
  SiteRules() = default;
  // Entries that were judged before; a pattern that is none matches nothing.
  explicit SiteRules(std::span<const SiteRule> rules);

  // The limits of a Site: by any of its mail hosts' names and addresses. An entry with a group must match every host,
  // so that a domain with a spare host at a provider does not join the provider.
  [[nodiscard]] const SiteRule* site(const resolver::Route& route) const;
  // The Site that its mail goes to: the group's if such an entry has one, else that of its own hosts.
  [[nodiscard]] resolver::SiteIdentity identity(const resolver::Route& route) const;
  // The limits of a recipient domain's mail, beside those of the Site it goes to: an entry that names the domain, and
  // is not about the Site's hosts.
  [[nodiscard]] const SiteRule* domain(std::string_view domain, const resolver::Route& route) const;
  // The addresses that a domain's mail is sent from; none: from any. The domain's own limits come before its Site's.
  [[nodiscard]] std::span<const resolver::IpAddress> sources(std::string_view domain,
                                                             const resolver::Route& route) const;
  // The rates of a sender domain's mail at a Site: an entry with that sender, and by a host of the Site or the
  // recipient domain.
  [[nodiscard]] const SiteRule* sender(std::string_view sender_domain, std::string_view domain,
                                       const resolver::Route& route) const;

  [[nodiscard]] bool any_sender() const { return any_sender_; } // whether sender() is ever worth asking

 private:
  struct Entry {
    SiteRule rule;
    std::vector<DomainPattern> names;
    std::vector<AddressRange> ranges;
    std::vector<DomainPattern> senders;

    [[nodiscard]] bool names_domain(std::string_view domain) const;
    [[nodiscard]] bool matches(const resolver::MailHost& host) const;
    [[nodiscard]] bool matches_any(const resolver::Route& route) const;
    [[nodiscard]] bool matches_all(const resolver::Route& route) const;
  };

  std::vector<Entry> entries_;
  bool any_sender_ = false;
};

} // namespace bulkmail::agent
