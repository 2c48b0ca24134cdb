#include "resolver/policy/tls_reports.h"

#include "resolver/policy/fields.h"
#include "resolver/route.h"

#include <algorithm>

namespace bulkmail::resolver {
namespace {

constexpr std::size_t longest_address = 1000;

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// RFC 3986 §2.1: "!" and "," come as %21 and %2C (RFC 8460 §3). Only what is printable ASCII afterwards is an address.
std::optional<std::string> decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%') {
      if (i + 2 >= text.size()) return std::nullopt;
      const int high = hex_value(text[i + 1]), low = hex_value(text[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      c = static_cast<char>(high * 16 + low);
      i += 2;
    }
    if (c <= 0x20 || c >= 0x7f) return std::nullopt;
    out += c;
  }
  return out;
}

// A mailto without its header fields (RFC 6068), as it can stand in an envelope.
std::optional<TlsReportAddress> mailbox(std::string_view text) {
  const auto address = decoded(text.substr(0, text.find('?')));
  if (!address) return std::nullopt;
  const std::size_t at = address->rfind('@');
  constexpr std::string_view breaks_out = "<>\"\\(),;:[]";
  if (at == std::string::npos || at == 0 || at > 64 || address->find('@') != at ||
      address->find_first_of(breaks_out) != std::string::npos)
    return std::nullopt;
  auto domain = canonical_domain(std::string_view(*address).substr(at + 1));
  if (!domain) return std::nullopt;
  return TlsReportAddress{false, address->substr(0, at + 1) + *domain};
}

std::optional<TlsReportAddress> report_address(std::string_view uri) {
  if (uri.size() > longest_address) return std::nullopt;
  if (uri.starts_with("mailto:")) return mailbox(uri.substr(7));
  const bool printable = std::ranges::all_of(uri, [](char c) { return c > 0x20 && c < 0x7f; });
  if (uri.starts_with("https://") && uri.size() > 8 && printable)
    return TlsReportAddress{true, std::string(uri)};
  return std::nullopt;
}

} // namespace

std::string tls_report_record_name(std::string_view domain) { return "_smtp._tls." + std::string(domain); }

std::vector<TlsReportAddress> tls_report_addresses(std::span<const std::string> records) {
  std::vector<TlsReportAddress> addresses;
  const auto record = the_record(records, "TLSRPTv1");
  if (!record) return addresses;
  for (const Field& field : *record) {
    if (field.name != "rua") continue;
    for (std::string_view rest = field.value; !rest.empty() && addresses.size() < most_report_addresses;) {
      const std::size_t end = rest.find(',');
      if (auto address = report_address(trimmed(rest.substr(0, end))))
        addresses.push_back(*std::move(address));
      rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    }
  }
  return addresses;
}

} // namespace bulkmail::resolver
