#include "spool/mailbox.h"

#include "spool/ascii.h"

#include <arpa/inet.h>

#include <array>
#include <cstdint>

namespace bulkmail::spool {
namespace {

constexpr std::size_t max_local = 64;    // RFC 5321 §4.5.3.1.1
constexpr std::size_t max_mailbox = 254; // RFC 5321 §4.5.3.1.3: a path of 256, less its brackets

enum Class : std::uint8_t { none = 0, atom = 1, let_dig = 2, hyphen = 4 };

// Octets over 127 are judged once for the whole address, by valid_utf8. An underscore is no letter of RFC
// 5321's domain, but such hosts do exist in the DNS and take mail.
constexpr auto classes = [] {
  std::array<std::uint8_t, 256> table{};
  for (unsigned c = '0'; c <= '9'; ++c) table[c] = atom | let_dig;
  for (unsigned c = 'a'; c <= 'z'; ++c) table[c] = table[c - 'a' + 'A'] = atom | let_dig;
  for (const char c : {'!', '#', '$', '%', '&', '\'', '*', '+', '/', '=', '?', '^', '`', '{', '|', '}', '~'})
    table[static_cast<unsigned char>(c)] = atom;
  table['_'] = atom | let_dig;
  table['-'] = atom | hyphen;
  for (unsigned c = 128; c < 256; ++c) table[c] = atom | let_dig;
  return table;
}();

bool is(char c, unsigned wanted) { return (classes[static_cast<unsigned char>(c)] & wanted) != 0; }

// The length of a Dot-string at the front; 0: none.
std::size_t dot_string(std::string_view text) {
  for (std::size_t at = 0; at < text.size() && is(text[at], atom); ++at) {
    while (at < text.size() && is(text[at], atom)) ++at;
    if (at == text.size() || text[at] != '.') return at;
  }
  return 0; // empty, or a dot with no atom behind it
}

// The length of a Quoted-string at the front; 0: none.
std::size_t quoted_string(std::string_view text) {
  for (std::size_t at = 1; at < text.size(); ++at) {
    if (text[at] == '"') return at + 1;
    if (text[at] == '\\' && ++at == text.size()) return 0;
    if (static_cast<unsigned char>(text[at]) < ' ' || text[at] == 0x7f) return 0;
  }
  return 0;
}

bool valid_domain(std::string_view domain) {
  char before = '.';
  for (const char c : domain) {
    const bool edge = before == '.';
    if (c == '.' ? edge || before == '-' : !is(c, let_dig) && (edge || c != '-')) return false;
    before = c;
  }
  return before != '.' && before != '-';
}

// RFC 5321 §4.1.3, "[192.0.2.1]" or "[IPv6:2001:db8::1]"; no other kind has ever been registered.
bool valid_literal(std::string_view literal) {
  if (literal.size() < 2 || literal.back() != ']') return false;
  literal = literal.substr(1, literal.size() - 2);
  const bool v6 = starts_without_case(literal, "ipv6:");
  if (v6) literal.remove_prefix(5);
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (literal.size() >= text.size()) return false;
  literal.copy(text.data(), literal.size());
  if (literal.find('\0') != literal.npos) return false;
  in6_addr address{};
  return inet_pton(v6 ? AF_INET6 : AF_INET, text.data(), &address) == 1;
}

} // namespace

bool valid_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i++]);
    if (lead < 0x80) continue;
    const std::size_t more = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
    if (lead < 0xc2 || lead > 0xf4 || text.size() - i < more) return false;
    const auto second = static_cast<unsigned char>(text[i]);
    if ((lead == 0xe0 && second < 0xa0) || (lead == 0xed && second > 0x9f) ||
        (lead == 0xf0 && second < 0x90) || (lead == 0xf4 && second > 0x8f))
      return false;
    for (std::size_t k = 0; k < more; ++k)
      if ((static_cast<unsigned char>(text[i++]) & 0xc0) != 0x80) return false;
  }
  return true;
}

std::optional<std::size_t> parse_mailbox(std::string_view address) {
  if (address.empty() || address.size() > max_mailbox) return std::nullopt;
  const std::size_t local = address.front() == '"' ? quoted_string(address) : dot_string(address);
  if (local == 0 || local > max_local || address.size() < local + 2 || address[local] != '@')
    return std::nullopt;
  const std::string_view domain = address.substr(local + 1);
  if (domain.front() == '[' ? !valid_literal(domain) : !valid_domain(domain)) return std::nullopt;
  if (!valid_utf8(address)) return std::nullopt;
  return local;
}

std::string unquoted_local(std::string_view local) {
  if (!local.starts_with('"')) return std::string(local);
  std::string plain;
  for (std::size_t i = 1; i + 1 < local.size(); ++i) {
    if (local[i] == '\\') ++i;
    plain += local[i];
  }
  return plain;
}

std::string quoted_local(std::string_view plain) {
  if (!plain.empty() && dot_string(plain) == plain.size()) return std::string(plain);
  std::string quoted = "\"";
  for (const char c : plain) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted += '"';
}

} // namespace bulkmail::spool
