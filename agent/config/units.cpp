#include "agent/config/units.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <limits>

namespace bulkmail::agent {
namespace {

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};

constexpr std::array time_units{Unit{"d", 86'400'000}, Unit{"h", 3'600'000}, Unit{"m", 60'000},
                                Unit{"s", 1'000}, Unit{"ms", 1}};
constexpr std::array size_units{Unit{"TiB", 1ULL << 40}, Unit{"GiB", 1ULL << 30}, Unit{"MiB", 1ULL << 20},
                                Unit{"KiB", 1ULL << 10}, Unit{"B", 1}};

// A hundred years: long enough for every wait, short enough that sums of times never overflow.
constexpr std::uint64_t longest_duration = 36'500ULL * 86'400'000;

// Takes "20m" off the front: the number and the name of its unit.
struct Part {
  std::uint64_t number;
  std::string_view unit;
};

std::optional<Part> take_part(std::string_view& text) {
  Part part{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), part.number);
  if (error != std::errc{}) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  part.unit = text.substr(0, text.find_first_of("0123456789"));
  text.remove_prefix(part.unit.size());
  return part;
}

// None: it would exceed `most`.
std::optional<std::uint64_t> multiply(std::uint64_t number, std::uint64_t factor, std::uint64_t most) {
  if (number > most / factor) return std::nullopt;
  return number * factor;
}

} // namespace

std::optional<std::chrono::milliseconds> parse_duration(std::string_view text) {
  if (text.empty()) return std::nullopt;
  std::uint64_t total = 0;
  std::size_t next_unit = 0; // only smaller ones than the last may follow
  while (!text.empty()) {
    const auto part = take_part(text);
    if (!part) return std::nullopt;
    while (next_unit < time_units.size() && time_units[next_unit].name != part->unit) ++next_unit;
    if (next_unit == time_units.size()) return std::nullopt;
    const auto value = multiply(part->number, time_units[next_unit++].factor, longest_duration);
    if (!value || *value > longest_duration - total) return std::nullopt;
    total += *value;
  }
  return std::chrono::milliseconds(static_cast<std::int64_t>(total));
}

std::string format_duration(std::chrono::milliseconds duration) {
  if (duration.count() <= 0) return "0s";
  auto rest = static_cast<std::uint64_t>(duration.count());
  std::string text;
  for (const Unit& unit : time_units) {
    if (rest >= unit.factor) text += fmt::format("{}{}", rest / unit.factor, unit.name);
    rest %= unit.factor;
  }
  return text;
}

std::optional<std::uint64_t> parse_size(std::string_view text) {
  const auto part = take_part(text);
  if (!part || !text.empty()) return std::nullopt;
  for (const Unit& unit : size_units)
    if (unit.name == part->unit)
      return multiply(part->number, unit.factor, std::numeric_limits<std::uint64_t>::max());
  return std::nullopt;
}

std::string format_size(std::uint64_t octets) {
  for (const Unit& unit : size_units)
    if (octets >= unit.factor && octets % unit.factor == 0)
      return fmt::format("{}{}", octets / unit.factor, unit.name);
  return "0B";
}

std::optional<Rate> parse_rate(std::string_view text) {
  Rate rate;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), rate.count);
  if (error != std::errc{} || rate.count == 0 || end == text.data() + text.size() || *end != '/')
    return std::nullopt;
  const auto period = parse_duration(text.substr(static_cast<std::size_t>(end - text.data()) + 1));
  if (!period || period->count() == 0) return std::nullopt;
  rate.period = *period;
  return rate;
}

std::string format_rate(Rate rate) { return fmt::format("{}/{}", rate.count, format_duration(rate.period)); }

} // namespace bulkmail::agent
