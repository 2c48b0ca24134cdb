// The [[sender]] entries: the share of a sender's mail where messages share a Site. The first that matches wins.
#pragma once

#include "agent/queue/pattern.h"

#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace bulkmail::agent {

// One entry as it was written.
struct SenderRule {
  std::vector<std::string> match; // envelope senders: "ann@example.org", "example.org", "*.example.org", "<>"
  std::uint32_t weight = 1;

  bool operator==(const SenderRule&) const = default;
};

// "": it can be in `match`; else what is wrong with it.
[[nodiscard]] std::string judge_sender_pattern(std::string_view text);

class SenderRules {
 public:
  SenderRules() = default;
  explicit SenderRules(std::span<const SenderRule> rules); // judged before, as SiteRules

  // By the envelope sender, "" for the null one. 1 if nothing is said.
  [[nodiscard]] std::uint32_t weight(std::string_view sender) const;
  // The domain of an envelope sender in the form that rules match, "" if it has none.
  [[nodiscard]] static std::string domain_of(std::string_view sender);

 private:
  struct Mailbox {
    std::string local, domain; // both empty: the null sender
  };

  using Pattern = std::variant<DomainPattern, Mailbox>;
  static std::expected<Pattern, std::string> parse(std::string_view text);
  friend std::string judge_sender_pattern(std::string_view text);

  struct Entry {
    std::vector<Pattern> patterns;
    std::uint32_t weight;
  };

  std::vector<Entry> entries_;
};

} // namespace bulkmail::agent
