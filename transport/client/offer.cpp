#include "transport/client/offer.h"

#include <algorithm>
#include <charconv>
#include <string_view>

namespace bulkmail::transport {

namespace {

bool is_keyword(std::string_view word, std::string_view keyword) {
  return std::ranges::equal(word, keyword,
                            [](char a, char b) { return (a >= 'a' && a <= 'z' ? a - 32 : a) == b; });
}

// RFC 1870 §4: "SIZE" alone and "SIZE 0" name no limit; neither does what is no number.
std::uint64_t parse_size(std::string_view argument) {
  std::uint64_t size = 0;
  const auto [end, error] = std::from_chars(argument.data(), argument.data() + argument.size(), size);
  return error == std::errc{} && (end == argument.data() + argument.size() || *end == ' ') ? size : 0;
}

// RFC 9422 §4: words NAME=VALUE; what is not known or not a number says nothing.
void parse_limits(std::string_view words, Offer& offer) {
  while (!words.empty()) {
    const std::string_view word = words.substr(0, words.find(' '));
    words.remove_prefix(std::min(words.size(), word.size() + 1));
    const std::string_view name = word.substr(0, word.find('='));
    const std::string_view value = word.substr(std::min(word.size(), name.size() + 1));
    std::uint32_t limit = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), limit);
    if (error != std::errc{} || end != value.data() + value.size()) continue;
    if (is_keyword(name, "MAILMAX")) offer.mail_max = limit;
    if (is_keyword(name, "RCPTMAX")) offer.rcpt_max = limit;
    if (is_keyword(name, "RCPTDOMAINMAX")) offer.rcpt_domain_max = limit;
  }
}

std::vector<std::string> parse_words(std::string_view argument) {
  std::vector<std::string> words;
  while (!argument.empty()) {
    const auto word = argument.substr(0, argument.find(' '));
    argument.remove_prefix(std::min(argument.size(), word.size() + 1));
    if (word.empty()) continue;
    std::string& upper = words.emplace_back(word);
    for (char& c : upper)
      if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
  }
  return words;
}

} // namespace

Offer parse_offer(const Reply& ehlo) {
  Offer offer;
  offer.esmtp = true;
  for (std::size_t i = 1; i < ehlo.lines.size(); ++i) { // the first line greets
    const std::string_view line = ehlo.lines[i];
    const std::string_view word = line.substr(0, line.find(' '));
    const std::string_view argument = line.substr(std::min(line.size(), word.size() + 1));
    if (is_keyword(word, "PIPELINING")) offer.pipelining = true;
    if (is_keyword(word, "8BITMIME")) offer.eight_bit_mime = true;
    if (is_keyword(word, "SMTPUTF8")) offer.smtp_utf8 = true;
    if (is_keyword(word, "ENHANCEDSTATUSCODES")) offer.enhanced_status_codes = true;
    if (is_keyword(word, "DSN")) offer.dsn = true;
    if (is_keyword(word, "STARTTLS")) offer.starttls = true;
    if (is_keyword(word, "CHUNKING")) offer.chunking = true;
    if (is_keyword(word, "AUTH")) offer.auth = parse_words(argument);
    if (is_keyword(word, "SIZE")) offer.size = parse_size(argument);
    if (is_keyword(word, "LIMITS")) parse_limits(argument, offer);
  }
  return offer;
}

} // namespace bulkmail::transport
