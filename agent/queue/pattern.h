// What the entries of the configuration match by: a domain, everything below one, or a range of addresses.
#pragma once

#include "resolver/address.h"

#include <expected>
#include <optional>
#include <string>
#include <string_view>

namespace bulkmail::agent {

// "mx.example.org", or "*.example.org" and ".example.org" for all that is below example.org, which is not itself.
class DomainPattern {
 public:
  // Or what is wrong with it.
  [[nodiscard]] static std::expected<DomainPattern, std::string> parse(std::string_view text);
  // `domain` is canonical: A-labels, lower case, no final dot.
  [[nodiscard]] bool matches(std::string_view domain) const;

  [[nodiscard]] const std::string& name() const { return name_; }

 private:
  std::string name_; // canonical: "example.org", or ".example.org" for what is below it
};

// "": it is one; else what is wrong with it.
[[nodiscard]] std::string judge_domain_pattern(std::string_view text);

// "192.0.2.7", "192.0.2.0/24", "2001:db8::/32" (RFC 4632 §3.1, RFC 4291 §2.3).
class AddressRange {
 public:
  // Whether it is meant as one, right or wrong: a domain has no slash and no colon, and its last label is not numeric.
  [[nodiscard]] static bool looks_like_one(std::string_view text);
  [[nodiscard]] static std::expected<AddressRange, std::string> parse(std::string_view text);
  [[nodiscard]] bool contains(const resolver::IpAddress& address) const;

 private:
  resolver::IpAddress first_;
  unsigned prefix_ = 0; // bits
};

} // namespace bulkmail::agent
