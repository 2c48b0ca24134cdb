#include "spool/bounce/requested_delay.h"

#include "spool/ascii.h"
#include "spool/bounce/bounce_class.h"

#include <algorithm>
#include <cstdint>

namespace bulkmail::spool {
namespace {

using std::chrono::seconds;

constexpr seconds longest{24 * 3600};
constexpr std::uint64_t too_many = 1'000'000; // no number of seconds that matters has more digits

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool is_letter(char c) { return lower(c) >= 'a' && lower(c) <= 'z'; }

struct Unit {
  std::string_view name;
  seconds length;
};

constexpr Unit units[] = {
    {"s", seconds(1)},       {"sec", seconds(1)},      {"secs", seconds(1)},     {"second", seconds(1)},
    {"seconds", seconds(1)}, {"m", seconds(60)},       {"min", seconds(60)},     {"mins", seconds(60)},
    {"minute", seconds(60)}, {"minutes", seconds(60)}, {"h", seconds(3600)},     {"hr", seconds(3600)},
    {"hrs", seconds(3600)},  {"hour", seconds(3600)},  {"hours", seconds(3600)},
};

// Reads from the front of a text.
class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  // A number that stands alone: not part of an address, a version or a word.
  std::optional<std::uint64_t> next_number() {
    while (at_ < text_.size()) {
      const std::size_t start = at_;
      if (!is_digit(text_[at_])) {
        ++at_;
        continue;
      }
      const std::uint64_t value = digits();
      const char before = start == 0 ? ' ' : text_[start - 1];
      const bool inside =
          is_letter(before) || before == '.' || before == ':' || before == '-' || before == '/';
      const bool fraction = at_ + 1 < text_.size() && text_[at_] == '.' && is_digit(text_[at_ + 1]);
      if (inside || fraction) {
        skip_word();
        continue;
      }
      return value;
    }
    return std::nullopt;
  }

  // ":59" behind a number that was just read.
  std::optional<std::uint64_t> clock_part() {
    if (at_ + 2 >= text_.size() || text_[at_] != ':' || !is_digit(text_[at_ + 1]) ||
        !is_digit(text_[at_ + 2]))
      return std::nullopt;
    ++at_;
    return digits();
  }

  std::optional<seconds> unit() {
    std::size_t start = at_;
    while (start < text_.size() && (text_[start] == ' ' || text_[start] == '-')) ++start;
    std::size_t end = start;
    while (end < text_.size() && is_letter(text_[end])) ++end;
    const std::string_view word = text_.substr(start, end - start);
    const auto found =
        std::ranges::find_if(units, [&](const Unit& one) { return equal_without_case(one.name, word); });
    if (found == std::end(units)) return std::nullopt;
    at_ = end;
    return found->length;
  }

  // The 30 of "1 hour and 30 minutes" and "1h30m".
  std::optional<std::uint64_t> joined_number() {
    std::size_t start = std::min(text_.find_first_not_of(" ,", at_), text_.size());
    if (starts_without_case(text_.substr(start), "and ")) start += 4;
    if (start == text_.size() || !is_digit(text_[start])) return std::nullopt;
    at_ = start;
    return digits();
  }

 private:
  std::uint64_t digits() {
    std::uint64_t value = 0;
    for (; at_ < text_.size() && is_digit(text_[at_]); ++at_)
      value = std::min(value * 10 + static_cast<std::uint64_t>(text_[at_] - '0'), too_many);
    return value;
  }

  void skip_word() {
    while (at_ < text_.size() && text_[at_] != ' ') ++at_;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

std::optional<seconds> first_length(std::string_view text) {
  Reader reader(text);
  while (const auto number = reader.next_number()) {
    if (const auto second = reader.clock_part()) {
      const auto third = reader.clock_part();
      return third ? seconds((*number * 60 + *second) * 60 + *third) : seconds(*number * 60 + *second);
    }
    auto unit = reader.unit();
    if (!unit) continue;
    seconds sum = *number * *unit;
    while (const auto more = reader.joined_number()) {
      const auto smaller = reader.unit();
      if (!smaller || *smaller >= *unit) break;
      sum += *more * *smaller;
      unit = smaller;
    }
    return sum;
  }
  return std::nullopt;
}

} // namespace

std::optional<milliseconds> named_delay(std::string_view reply) {
  const auto length = first_length(reply);
  if (!length || *length <= seconds(0) || *length > longest) return std::nullopt;
  return *length;
}

std::optional<milliseconds> requested_delay(const Outcome& outcome) {
  if (outcome.action != Action::delayed || outcome.source != Source::remote) return std::nullopt;
  const BounceClass why = bounce_class(outcome);
  if (why != BounceClass::greylisted && why != BounceClass::rate_limited) return std::nullopt;
  return named_delay(outcome.diagnostic_code);
}

} // namespace bulkmail::spool
