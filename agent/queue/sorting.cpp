#include "agent/queue/sorting.h"

#include "resolver/route.h"

#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace bulkmail::agent {
namespace {

class Sorter {
 public:
  explicit Sorter(const spool::Envelope& envelope) : envelope_(envelope) {
    sorted_.one_by_one = envelope.one_by_one();
  }

  void take(std::uint32_t recipient) {
    const auto [address, local, domain, orcpt, notify, malformed] = envelope_.recipient(recipient);
    if (malformed) {
      sorted_.malformed.push_back(recipient);
      return;
    }
    // Lists are often sorted already.
    if (domain != last_) {
      last_ = domain;
      group_ = group_of(domain);
    }
    ++sorted_.groups[group_].end;
    picked_.emplace_back(recipient, group_);
  }

  // A counting sort: each domain's recipients side by side, in the envelope's order.
  SortedRecipients finish() {
    std::uint32_t begin = 0;
    for (auto& group : sorted_.groups) {
      const std::uint32_t count = std::exchange(group.end, begin);
      group.begin = begin;
      begin += count;
    }
    sorted_.order.resize(picked_.size());
    for (const auto& [recipient, group] : picked_) sorted_.order[sorted_.groups[group].end++] = recipient;
    return std::move(sorted_);
  }

 private:
  std::uint32_t group_of(std::string_view text) {
    if (const auto known = as_written_.find(text); known != as_written_.end()) return known->second;
    auto canonical = resolver::canonical_domain(text);
    std::string name = canonical ? std::move(*canonical) : std::string(text);
    const auto next = static_cast<std::uint32_t>(sorted_.groups.size());
    const auto [at, fresh] = by_name_.try_emplace(name, next);
    if (fresh)
      sorted_.groups.push_back({std::move(name), canonical ? "" : std::move(canonical.error()), 0, 0});
    as_written_.emplace(text, at->second);
    return at->second;
  }

  const spool::Envelope& envelope_;
  SortedRecipients sorted_;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> picked_; // recipient, group
  std::unordered_map<std::string_view, std::uint32_t> as_written_;
  std::unordered_map<std::string, std::uint32_t> by_name_;
  std::string_view last_;
  std::uint32_t group_ = 0;
};

} // namespace

SortedRecipients sort_by_domain(const spool::Envelope& envelope) {
  Sorter sorter(envelope);
  for (std::uint32_t i = 0; i < envelope.size(); ++i) sorter.take(i);
  return sorter.finish();
}

SortedRecipients sort_by_domain(const spool::Envelope& envelope, std::span<const std::uint32_t> recipients) {
  Sorter sorter(envelope);
  for (const std::uint32_t recipient : recipients) sorter.take(recipient);
  return sorter.finish();
}

} // namespace bulkmail::agent
