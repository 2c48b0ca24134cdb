#include "agent/queue/pattern.h"

#include "resolver/route.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdint>

namespace bulkmail::agent {
namespace {

using resolver::IpAddress;

unsigned width(IpAddress::Family family) { return family == IpAddress::Family::v4 ? 32 : 128; }

// The address's bits beyond the prefix cleared.
IpAddress network(IpAddress address, unsigned prefix) {
  for (unsigned i = 0; i < address.bytes.size(); ++i) {
    if (prefix >= 8 * (i + 1)) continue;
    const unsigned kept = prefix > 8 * i ? prefix - 8 * i : 0;
    address.bytes[i] = static_cast<std::uint8_t>(address.bytes[i] & (0xff00U >> kept));
  }
  return address;
}

} // namespace

std::expected<DomainPattern, std::string> DomainPattern::parse(std::string_view text) {
  const bool below = text.starts_with('.') || text.starts_with("*.");
  std::string_view name = text;
  if (below) name.remove_prefix(name.find('.') + 1);
  const auto canonical = resolver::canonical_domain(name);
  if (!canonical || canonical->starts_with('[') || canonical->contains('*'))
    return std::unexpected(fmt::format(
        "\"{}\" is no domain: write \"mx.example.org\", or \"*.example.org\" for all below it", text));
  DomainPattern pattern;
  pattern.name_ = below ? '.' + *canonical : *canonical;
  return pattern;
}

bool DomainPattern::matches(std::string_view domain) const {
  return name_.starts_with('.') ? domain.size() > name_.size() && domain.ends_with(name_) : domain == name_;
}

std::string judge_domain_pattern(std::string_view text) {
  const auto pattern = DomainPattern::parse(text);
  return pattern ? "" : pattern.error();
}

bool AddressRange::looks_like_one(std::string_view text) {
  const auto label = text.substr(text.rfind('.') + 1);
  return text.find_first_of(":/") != std::string_view::npos ||
         (!label.empty() && label.find_first_not_of("0123456789") == std::string_view::npos);
}

std::expected<AddressRange, std::string> AddressRange::parse(std::string_view text) {
  const auto slash = text.find('/');
  const auto address = IpAddress::parse(text.substr(0, slash));
  const auto wrong = [&] {
    return std::unexpected(
        fmt::format("\"{}\" is no address range: write \"192.0.2.0/24\" or \"2001:db8::/32\"", text));
  };
  if (!address) return wrong();
  AddressRange range;
  range.first_ = *address;
  range.prefix_ = width(address->family);
  if (slash != std::string_view::npos) {
    const auto bits = text.substr(slash + 1);
    const auto [end, error] = std::from_chars(bits.data(), bits.data() + bits.size(), range.prefix_);
    if (error != std::errc{} || end != bits.data() + bits.size() || range.prefix_ > width(address->family))
      return wrong();
  }
  if (const auto start = network(*address, range.prefix_); start != *address)
    return std::unexpected(fmt::format("\"{}\" does not begin its range: write \"{}/{}\"", text,
                                       start.to_string(), range.prefix_));
  return range;
}

bool AddressRange::contains(const IpAddress& address) const {
  return address.family == first_.family && network(address, prefix_) == first_;
}

} // namespace bulkmail::agent
