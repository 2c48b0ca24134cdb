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

// Envelope senders that are meant by one text.
class SenderPattern {
 public:
  // Or what is wrong with it.
  [[nodiscard]] static std::expected<SenderPattern, std::string> parse(std::string_view text);
  // The sender, "" being the null one, and its domain as domain_of() has it.
  [[nodiscard]] bool matches(std::string_view sender, std::string_view domain) const;

  // The domain of an envelope sender in the form that patterns match, "" if it has none.
  [[nodiscard]] static std::string domain_of(std::string_view sender);

 private:
  struct Mailbox {
    std::string local, domain; // both empty: the null sender
  };

  std::variant<Mailbox, DomainPattern> what_;
};

// "": it can be in `match`; else what is wrong with it.
[[nodiscard]] std::string judge_sender_pattern(std::string_view text);

class SenderRules {
 public:
  SenderRules() = default;
  explicit SenderRules(std::span<const SenderRule> rules); // judged before, as SiteRules

  // By the envelope sender, "" for the null one. 1 if nothing is said.
  [[nodiscard]] std::uint32_t weight(std::string_view sender) const;

 private:
  struct Entry {
    std::vector<SenderPattern> patterns;
    std::uint32_t weight;
  };

  std::vector<Entry> entries_;
};

} // namespace bulkmail::agent
