#include "agent/queue/sender_rules.h"

#include "resolver/route.h"

#include <algorithm>
#include <utility>

namespace bulkmail::agent {

std::expected<SenderPattern, std::string> SenderPattern::parse(std::string_view text) {
  SenderPattern pattern;
  if (text == "<>") return pattern;
  const auto at = text.rfind('@');
  if (at == std::string_view::npos) {
    auto domain = DomainPattern::parse(text);
    if (!domain) return std::unexpected(std::move(domain.error()));
    pattern.what_ = *std::move(domain);
    return pattern;
  }
  Mailbox mailbox{std::string(text.substr(0, at)), domain_of(text)};
  if (mailbox.local.empty() || mailbox.domain.empty())
    return std::unexpected('"' + std::string(text) + "\" is no mailbox: write \"ann@example.org\"");
  pattern.what_ = std::move(mailbox);
  return pattern;
}

bool SenderPattern::matches(std::string_view sender, std::string_view domain) const {
  if (const auto* mailbox = std::get_if<Mailbox>(&what_))
    return mailbox->local == sender.substr(0, sender.rfind('@')) && mailbox->domain == domain;
  return !domain.empty() && std::get<DomainPattern>(what_).matches(domain);
}

std::string SenderPattern::domain_of(std::string_view sender) {
  const auto at = sender.rfind('@');
  if (at == std::string_view::npos) return {};
  return resolver::canonical_domain(sender.substr(at + 1)).value_or("");
}

std::string judge_sender_pattern(std::string_view text) {
  const auto pattern = SenderPattern::parse(text);
  return pattern ? "" : pattern.error();
}

SenderRules::SenderRules(std::span<const SenderRule> rules) {
  for (const SenderRule& rule : rules) {
    Entry& entry = entries_.emplace_back(Entry{{}, rule.weight});
    for (const std::string& text : rule.match)
      if (auto pattern = SenderPattern::parse(text)) entry.patterns.push_back(*std::move(pattern));
  }
}

std::uint32_t SenderRules::weight(std::string_view sender) const {
  if (entries_.empty()) return 1;
  const std::string domain = SenderPattern::domain_of(sender);
  const auto matches = [&](const SenderPattern& pattern) { return pattern.matches(sender, domain); };
  for (const Entry& entry : entries_)
    if (std::ranges::any_of(entry.patterns, matches)) return entry.weight;
  return 1;
}

} // namespace bulkmail::agent
