#include "agent/report/tls_record.h"

#include "agent/report/tls_report.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <charconv>

namespace bulkmail::agent {
namespace {

using nlohmann::json;

constexpr std::string_view prefix = "tls-", suffix = ".json";

json json_of(const PublishedPolicy& policy, const TlsTally& tally) {
  json details = json::array();
  for (const auto& [failure, count] : tally.details)
    details.push_back({{"result", to_string(failure.result)},
                       {"mx", failure.mx},
                       {"to", failure.to},
                       {"from", failure.from},
                       {"reason", failure.reason},
                       {"count", count}});
  return {{"type", to_string(policy.type)}, {"text", policy.text},        {"mx", policy.mx},
          {"successes", tally.successes},   {"failures", tally.failures}, {"details", std::move(details)}};
}

// Throws what nlohmann does of a text that is no record; the one caller knows.
void read_policy(TlsDay& day, const std::string& domain, const json& from) {
  const auto type = policy_type(from.at("type").get<std::string>());
  if (!type) return;
  TlsTally tally{from.at("successes"), from.at("failures"), {}};
  for (const json& detail : from.at("details")) {
    const auto result = tls_result(detail.at("result").get<std::string>());
    if (!result) continue;
    tally.details.emplace(
        TlsFailure{*result, detail.at("mx"), detail.at("to"), detail.at("from"), detail.at("reason")},
        detail.at("count"));
  }
  day.add(domain, {*type, from.at("text"), from.at("mx")}, tally);
}

} // namespace

std::string write_tls_record(const TlsRecord& record) {
  json domains = json::object();
  for (const auto& [domain, policies] : record.counts.domains()) {
    json& list = domains[domain] = json::array();
    for (const auto& [policy, tally] : policies) list.push_back(json_of(policy, tally));
  }
  return json{{"version", 1}, {"domains", std::move(domains)}, {"sent", record.sent}}.dump(
      -1, ' ', false, json::error_handler_t::replace);
}

std::optional<TlsRecord> read_tls_record(std::string_view text) {
  try {
    const json from = json::parse(text);
    TlsRecord record;
    for (const auto& [domain, policies] : from.at("domains").items())
      for (const json& policy : policies) read_policy(record.counts, domain, policy);
    record.sent = from.at("sent").get<decltype(record.sent)>();
    return record;
  } catch (const json::exception&) {
    return std::nullopt;
  }
}

std::string tls_record_file(Day day) {
  return fmt::format("state/{}{}{}", prefix, tls_report_date(day), suffix);
}

std::optional<Day> tls_record_day(std::string_view name) {
  if (!name.starts_with(prefix) || !name.ends_with(suffix)) return std::nullopt;
  name.remove_prefix(prefix.size());
  name.remove_suffix(suffix.size());
  if (name.size() != 10 || name[4] != '-' || name[7] != '-') return std::nullopt;
  const auto number = [&](std::size_t at, std::size_t length) {
    unsigned value = 0;
    const char* const end = name.data() + at + length;
    const auto [read, error] = std::from_chars(name.data() + at, end, value);
    return error == std::errc{} && read == end ? value : 0; // a date has no 0
  };
  const unsigned year = number(0, 4), month = number(5, 2), day = number(8, 2);
  if (year == 0) return std::nullopt;
  const std::chrono::year_month_day date(std::chrono::year(static_cast<int>(year)), std::chrono::month(month),
                                         std::chrono::day(day));
  return date.ok() ? std::optional(Day(date)) : std::nullopt;
}

} // namespace bulkmail::agent
