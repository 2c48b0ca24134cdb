// A day's counts and what became of its reports, as the file state/tls-DATE.json keeps them over a restart.
#pragma once

#include "agent/report/tls_day.h"

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

namespace bulkmail::agent {

struct TlsRecord {
  TlsDay counts;                                     // of the domains that are not done with
  std::map<std::string, std::set<std::string>> sent; // where some of a domain's reports went already

  bool operator==(const TlsRecord&) const = default;
};

constexpr std::uint64_t largest_tls_record = 256 << 20; // what is larger was not written by us

[[nodiscard]] std::string write_tls_record(const TlsRecord& record);
[[nodiscard]] std::optional<TlsRecord> read_tls_record(std::string_view text); // none: it is no record

[[nodiscard]] std::string tls_record_file(Day day);                     // "state/tls-2026-11-23.json"
[[nodiscard]] std::optional<Day> tls_record_day(std::string_view name); // of a file in state/; none: another

} // namespace bulkmail::agent
