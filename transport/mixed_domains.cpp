#include "transport/mixed_domains.h"

#include "spool/ascii.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

namespace bulkmail::transport {
namespace {

// What hosts call more domains than they take, or the number that they do take. Beside it the text names domains.
constexpr std::array<std::string_view, 13> numbers = {
    "multiple",      "mixed",    "mixing",     "different",     "several",
    "more than one", "too many", "one domain", "one at a time", "one recipient domain",
    "only one",      "single",   "same"};

bool mentions(std::string_view text, std::string_view word) { return text.find(word) != text.npos; }

} // namespace

bool refuses_mixed_domains(const RecipientResult& result) {
  using Kind = RecipientResult::Kind;
  if ((result.kind != Kind::refused && result.kind != Kind::again) || !result.reply) return false;
  if (!result.reply->negative()) return false;
  std::string text = result.reply->text();
  std::ranges::transform(text, text.begin(), spool::lower);
  return mentions(text, "domain") &&
         std::ranges::any_of(numbers, [&](std::string_view number) { return mentions(text, number); });
}

} // namespace bulkmail::transport
