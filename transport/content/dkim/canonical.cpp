#include "transport/content/dkim/canonical.h"

#include "spool/ascii.h"

#include <algorithm>
#include <array>
#include <utility>

namespace bulkmail::transport {
namespace {

constexpr bool is_space(char c) { return c == ' ' || c == '\t'; }

constexpr auto ends_word = [] {
  std::array<bool, 256> stops{};
  for (const char c : {' ', '\t', '\r', '\n'}) stops[static_cast<unsigned char>(c)] = true;
  return stops;
}();

// The octets at the front that stay as they are, the first of which is no white space.
std::string_view run_of(std::string_view text, Canonical form) {
  if (form == Canonical::simple) return text.substr(0, text.find('\r'));
  const auto stops = [&](std::size_t at) { return ends_word[static_cast<unsigned char>(text[at])]; };
  for (std::size_t end = 0; end < text.size(); ++end) {
    if (!stops(end)) continue;
    const bool between_words = text[end] == ' ' && end + 1 < text.size() && !stops(end + 1);
    if (!between_words) return text.substr(0, end);
  }
  return text;
}

} // namespace

void append_canonical_field(std::string& out, std::string_view field, Canonical form) {
  if (form == Canonical::simple) {
    out += field;
    return;
  }
  const std::size_t colon = std::min(field.find(':'), field.size());
  for (const char c : field.substr(0, colon))
    if (!is_space(c)) out += spool::lower(c);
  out += ':';
  field.remove_prefix(std::min(colon + 1, field.size()));
  bool space = false, begun = false;
  while (!field.empty()) {
    const char c = field.front();
    if (ends_word[static_cast<unsigned char>(c)]) {
      space |= is_space(c); // a line is folded before white space, which alone counts
      field.remove_prefix(1);
      continue;
    }
    if (space && begun) out += ' ';
    space = false;
    begun = true;
    const std::string_view word = run_of(field, form);
    out += word;
    field.remove_prefix(word.size());
  }
  out += "\r\n";
}

void CanonicalBody::take(std::string_view& block, std::string& out) {
  const std::size_t enough = out.size() + at_once;
  while (!block.empty() && out.size() < enough) {
    const char c = block.front();
    if (c == '\r' || c == '\n') { // the LF counts
      if (c == '\n') {
        ++line_ends_;
        space_ = false;
      }
      block.remove_prefix(1);
      continue;
    }
    if (form_ == Canonical::relaxed && is_space(c)) {
      space_ = true;
      block.remove_prefix(1);
      continue;
    }
    for (; line_ends_ > 0 && out.size() < enough; --line_ends_) out += "\r\n";
    if (line_ends_ > 0) return;
    if (std::exchange(space_, false)) out += ' ';
    const std::string_view run = run_of(block, form_);
    out += run;
    block.remove_prefix(run.size());
    empty_ = false;
  }
}

// A body that isn't empty ends in one CRLF; an empty one is one CRLF in simple form and nothing in relaxed form.
void CanonicalBody::finish(std::string& out) {
  if (!empty_ || form_ == Canonical::simple) out += "\r\n";
}

} // namespace bulkmail::transport
