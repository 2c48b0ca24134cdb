#include "agent/queue/holds.h"

#include "spool/ascii.h"

#include <algorithm>

namespace bulkmail::agent {

using spool::equal_without_case;

// The local part is compared exactly, the domain without case (RFC 5321 §2.4).
bool means_sender(std::string_view text, std::string_view sender) {
  if (text == "<>") return sender.empty();
  const auto at = sender.rfind('@');
  if (at == sender.npos) return text == sender && !sender.empty();
  const auto domain = sender.substr(at + 1);
  if (const auto text_at = text.rfind('@'); text_at != text.npos)
    return text.substr(0, text_at) == sender.substr(0, at) &&
           equal_without_case(text.substr(text_at + 1), domain);
  if (text.starts_with("*.")) {
    const auto suffix = text.substr(1);
    return domain.size() > suffix.size() &&
           equal_without_case(domain.substr(domain.size() - suffix.size()), suffix);
  }
  return equal_without_case(text, domain);
}

bool names_host(std::string_view site, std::string_view host) {
  for (auto at = site.find(host); !host.empty() && at != site.npos; at = site.find(host, at + 1)) {
    const auto end = at + host.size();
    if (at > 0 && site[at - 1] == ' ' && (end == site.size() || site[end] == ',')) return true;
  }
  return false;
}

bool means_site(std::string_view text, std::string_view name, const resolver::Route& route) {
  return text == name || names_host(route.site, text) ||
         std::ranges::any_of(route.hosts, [&](const resolver::MailHost& host) { return host.name == text; });
}

void Holds::set(const Selector& what, bool held) {
  const auto change = [&](std::vector<std::string>& texts) {
    std::erase(texts, what.text);
    if (held) texts.push_back(what.text);
  };
  switch (what.kind) {
  case Selector::Kind::all: everything_ = held; break;
  case Selector::Kind::message:
    if (held) {
      messages_.insert(what.number);
    } else {
      messages_.erase(what.number);
    }
    break;
  case Selector::Kind::sender: change(senders_); break;
  case Selector::Kind::site: change(sites_); break;
  }
}

bool Holds::message(std::uint64_t number, std::string_view sender) const {
  return everything_ || messages_.contains(number) ||
         std::ranges::any_of(senders_, [&](const auto& text) { return means_sender(text, sender); });
}

bool Holds::domain(std::string_view canonical) const {
  return std::ranges::find(sites_, canonical) != sites_.end();
}

bool Holds::site(std::string_view name, const resolver::Route& route) const {
  return std::ranges::any_of(sites_, [&](const auto& text) { return means_site(text, name, route); });
}

} // namespace bulkmail::agent
