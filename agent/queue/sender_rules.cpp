#include "agent/queue/sender_rules.h"

#include "resolver/route.h"

#include <algorithm>
#include <utility>

namespace bulkmail::agent {

std::string judge_sender_pattern(std::string_view text) {
  const auto pattern = SenderRules::parse(text);
  return pattern ? "" : pattern.error();
}

SenderRules::SenderRules(std::span<const SenderRule> rules) {
  for (const SenderRule& rule : rules) {
    Entry& entry = entries_.emplace_back(Entry{{}, rule.weight});
    for (const std::string& text : rule.match)
      if (auto pattern = parse(text)) entry.patterns.push_back(*std::move(pattern));
  }
}

std::uint32_t SenderRules::weight(std::string_view sender) const {
  if (entries_.empty()) return 1;
  const auto local = sender.substr(0, sender.rfind('@'));
  const std::string domain = domain_of(sender);
  const auto matches = [&](const Pattern& pattern) {
    if (const auto* mailbox = std::get_if<Mailbox>(&pattern))
      return mailbox->local == local && mailbox->domain == domain;
    return !domain.empty() && std::get<DomainPattern>(pattern).matches(domain);
  };
  for (const Entry& entry : entries_)
    if (std::ranges::any_of(entry.patterns, matches)) return entry.weight;
  return 1;
}

std::string SenderRules::domain_of(std::string_view sender) {
  const auto at = sender.rfind('@');
  if (at == std::string_view::npos) return {};
  return resolver::canonical_domain(sender.substr(at + 1)).value_or("");
}

std::expected<SenderRules::Pattern, std::string> SenderRules::parse(std::string_view text) {
  if (text == "<>") return Mailbox{};
  const auto at = text.rfind('@');
  if (at == std::string_view::npos) {
    auto pattern = DomainPattern::parse(text);
    if (!pattern) return std::unexpected(std::move(pattern.error()));
    return *std::move(pattern);
  }
  Mailbox mailbox{std::string(text.substr(0, at)), domain_of(text)};
  if (mailbox.local.empty() || mailbox.domain.empty())
    return std::unexpected('"' + std::string(text) + "\" is no mailbox: write \"ann@example.org\"");
  return mailbox;
}

} // namespace bulkmail::agent
