#include "agent/queue/site_rules.h"

#include <algorithm>

namespace bulkmail::agent {
namespace {

bool any_matches(std::span<const DomainPattern> patterns, std::string_view domain) {
  return std::ranges::any_of(patterns, [&](const DomainPattern& pattern) { return pattern.matches(domain); });
}

} // namespace

std::string judge_site_pattern(std::string_view text) {
  if (AddressRange::looks_like_one(text)) {
    const auto range = AddressRange::parse(text);
    return range ? "" : range.error();
  }
  return judge_domain_pattern(text);
}

SiteRules::SiteRules(std::span<const SiteRule> rules) {
  for (const SiteRule& rule : rules) {
    Entry& entry = entries_.emplace_back(Entry{rule, {}, {}, {}});
    for (const std::string& text : rule.match) {
      if (AddressRange::looks_like_one(text)) {
        if (const auto range = AddressRange::parse(text)) entry.ranges.push_back(*range);
      } else if (auto name = DomainPattern::parse(text)) {
        entry.names.push_back(*std::move(name));
      }
    }
    for (const std::string& text : rule.sender)
      if (auto sender = DomainPattern::parse(text)) entry.senders.push_back(*std::move(sender));
    any_sender_ |= !rule.sender.empty();
  }
}

const SiteRule* SiteRules::site(const resolver::Route& route) const {
  for (const Entry& entry : entries_) {
    if (!entry.rule.sender.empty()) continue;
    if (entry.rule.group ? entry.matches_all(route) : entry.matches_any(route)) return &entry.rule;
  }
  return nullptr;
}

resolver::SiteIdentity SiteRules::identity(const resolver::Route& route) const {
  const SiteRule* rule = site(route);
  if (rule == nullptr || !rule->group) return {route.site_key, route.site};
  return {resolver::SiteKey::of("group " + *rule->group), *rule->group};
}

const SiteRule* SiteRules::domain(std::string_view domain, const resolver::Route& route) const {
  for (const Entry& entry : entries_)
    if (entry.rule.sender.empty() && entry.names_domain(domain) && !entry.matches_any(route))
      return &entry.rule;
  return nullptr;
}

std::span<const resolver::IpAddress> SiteRules::sources(std::string_view name,
                                                        const resolver::Route& route) const {
  for (const SiteRule* rule : {domain(name, route), site(route)})
    if (rule != nullptr && !rule->source.empty()) return rule->source;
  return {};
}

const SiteRule* SiteRules::sender(std::string_view sender_domain, std::string_view domain,
                                  const resolver::Route& route) const {
  for (const Entry& entry : entries_)
    if (any_matches(entry.senders, sender_domain) && (entry.matches_any(route) || entry.names_domain(domain)))
      return &entry.rule;
  return nullptr;
}

bool SiteRules::Entry::names_domain(std::string_view domain) const { return any_matches(names, domain); }

bool SiteRules::Entry::matches(const resolver::MailHost& host) const {
  return any_matches(names, host.name) || std::ranges::any_of(host.addresses, [&](const auto& address) {
           return std::ranges::any_of(ranges, [&](const auto& range) { return range.contains(address); });
         });
}

bool SiteRules::Entry::matches_any(const resolver::Route& route) const {
  return std::ranges::any_of(route.hosts, [&](const auto& host) { return matches(host); });
}

bool SiteRules::Entry::matches_all(const resolver::Route& route) const {
  return std::ranges::all_of(route.hosts, [&](const auto& host) { return matches(host); });
}

} // namespace bulkmail::agent
