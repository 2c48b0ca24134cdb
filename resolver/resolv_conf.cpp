// resolv.conf(5), as far as it matters to a client that asks for full names only.
#include "resolver/resolver.h"

#include <algorithm>

namespace bulkmail::resolver {
namespace {

constexpr std::uint16_t dns_port = 53;
constexpr std::size_t max_servers = 8; // more than any C library takes (3); bounds a strange file

std::string_view next_word(std::string_view& line) {
  constexpr std::string_view blank = " \t\r";
  const std::size_t begin = std::min(line.find_first_not_of(blank), line.size());
  const std::size_t end = std::min(line.find_first_of(blank, begin), line.size());
  const std::string_view word = line.substr(begin, end - begin);
  line.remove_prefix(end);
  return word;
}

} // namespace

ResolvConf parse_resolv_conf(std::string_view text) {
  ResolvConf found;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    line = line.substr(0, line.find_first_of("#;"));
    const std::string_view key = next_word(line);
    if (key == "nameserver") {
      const auto address = IpAddress::parse(next_word(line));
      if (address && found.servers.size() < max_servers) found.servers.push_back({*address, dns_port});
    } else if (key == "options") {
      for (std::string_view word = next_word(line); !word.empty(); word = next_word(line)) {
        if (word == "trust-ad") found.trust_ad = true;
      }
    }
  }
  // "If no nameserver entries are present, the default is to use the name server on the local machine."
  if (found.servers.empty()) found.servers.push_back({*IpAddress::parse("127.0.0.1"), dns_port});
  return found;
}

} // namespace bulkmail::resolver
