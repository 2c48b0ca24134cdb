#include "resolver/policy/mta_sts.h"

#include "resolver/policy/fields.h"
#include "resolver/route.h"

#include <algorithm>
#include <charconv>

namespace bulkmail::resolver {
namespace {

constexpr std::size_t most_id = 32; // §3.1

bool alphanumeric(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

std::expected<StsPolicy::Mode, std::string> parse_mode(std::string_view text) {
  using Mode = StsPolicy::Mode;
  for (const Mode mode : {Mode::none, Mode::testing, Mode::enforce})
    if (text == to_string(mode)) return mode;
  return std::unexpected("its mode is none of enforce, testing and none");
}

std::expected<std::chrono::seconds, std::string> parse_max_age(std::string_view text) {
  constexpr std::size_t most_digits = 10; // §3.2
  std::uint64_t seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (text.empty() || text.size() > most_digits || error != std::errc{} || end != text.data() + text.size())
    return std::unexpected("its max_age is no number of seconds");
  return std::min(std::chrono::seconds(seconds), sts_max_age);
}

std::expected<std::string, std::string> parse_pattern(std::string_view text) {
  const bool wild = text.starts_with("*.");
  auto name = canonical_domain(wild ? text.substr(2) : text);
  if (!name || name->starts_with('[')) return std::unexpected("its mx is no host name");
  return wild ? "*." + *name : *std::move(name);
}

} // namespace

std::string_view to_string(StsPolicy::Mode mode) {
  switch (mode) {
  case StsPolicy::Mode::none: return "none";
  case StsPolicy::Mode::testing: return "testing";
  case StsPolicy::Mode::enforce: return "enforce";
  }
  return "";
}

bool StsPolicy::allows(std::string_view host) const {
  return std::ranges::any_of(mx, [&](std::string_view pattern) {
    if (!pattern.starts_with("*.")) return pattern == host;
    const std::size_t dot = host.find('.');
    return dot != std::string_view::npos && dot > 0 && host.substr(dot) == pattern.substr(1);
  });
}

std::expected<StsPolicy, std::string> parse_sts_policy(std::string_view text) {
  if (text.size() > sts_max_policy) return std::unexpected("it is longer than 64 KiB");
  StsPolicy policy;
  bool versioned = false;
  std::optional<StsPolicy::Mode> mode;
  std::optional<std::chrono::seconds> max_age;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (trimmed(line).empty()) continue;
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) return std::unexpected("it has a line without a colon");
    const std::string_view name = trimmed(line.substr(0, colon)), value = trimmed(line.substr(colon + 1));
    if (!versioned) {
      if (name != "version" || value != "STSv1")
        return std::unexpected("it does not begin with version: STSv1");
      versioned = true;
    } else if (name == "mode" && !mode) {
      const auto parsed = parse_mode(value);
      if (!parsed) return std::unexpected(parsed.error());
      mode = *parsed;
    } else if (name == "max_age" && !max_age) {
      const auto parsed = parse_max_age(value);
      if (!parsed) return std::unexpected(parsed.error());
      max_age = *parsed;
    } else if (name == "mx") {
      if (policy.mx.size() == sts_max_patterns) return std::unexpected("it names more than 200 hosts");
      auto pattern = parse_pattern(value);
      if (!pattern) return std::unexpected(pattern.error());
      policy.mx.push_back(*std::move(pattern));
    }
  }
  if (!versioned) return std::unexpected("it is empty");
  if (!mode) return std::unexpected("it has no mode");
  if (!max_age) return std::unexpected("it has no max_age");
  if (policy.mx.empty() && *mode != StsPolicy::Mode::none) return std::unexpected("it names no mx");
  policy.mode = *mode;
  policy.max_age = *max_age;
  return policy;
}

std::string sts_policy_host(std::string_view domain) { return "mta-sts." + std::string(domain); }

std::string sts_record_name(std::string_view domain) { return "_mta-sts." + std::string(domain); }

std::optional<std::string> sts_id(std::span<const std::string> records) {
  const auto record = the_record(records, "STSv1");
  if (!record) return std::nullopt;
  std::optional<std::string> id;
  for (const Field& field : *record) {
    if (field.name != "id" || id) continue;
    if (field.value.empty() || field.value.size() > most_id ||
        !std::ranges::all_of(field.value, alphanumeric))
      return std::nullopt;
    id = field.value;
  }
  return id;
}

} // namespace bulkmail::resolver
