#include "agent/queue/holds.h"

#include <algorithm>

namespace bulkmail::agent {

bool means_site(std::string_view text, std::string_view name, const resolver::Route& route) {
  return text == name || route.has_host(text);
}

void Holds::set(const Selector& what, bool held) {
  switch (what.kind) {
  case Selector::Kind::all: everything_ = held; break;
  case Selector::Kind::message:
    if (held) {
      messages_.insert(what.number);
    } else {
      messages_.erase(what.number);
    }
    break;
  case Selector::Kind::sender:
    senders_.erase(what.text);
    if (auto pattern = SenderPattern::parse(what.text); held && pattern)
      senders_.emplace(what.text, *std::move(pattern));
    break;
  case Selector::Kind::site:
    std::erase(sites_, what.text);
    if (held) sites_.push_back(what.text);
    break;
  }
}

bool Holds::message(std::uint64_t number, std::string_view sender) const {
  if (everything_ || messages_.contains(number)) return true;
  if (senders_.empty()) return false;
  const std::string domain = SenderPattern::domain_of(sender);
  return std::ranges::any_of(senders_, [&](const auto& one) { return one.second.matches(sender, domain); });
}

bool Holds::domain(std::string_view canonical) const {
  return std::ranges::find(sites_, canonical) != sites_.end();
}

bool Holds::site(std::string_view name, const resolver::Route& route) const {
  return std::ranges::any_of(sites_, [&](const auto& text) { return means_site(text, name, route); });
}

} // namespace bulkmail::agent
