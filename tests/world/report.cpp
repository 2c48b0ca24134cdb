#include "tests/world/report.h"

#include "tests/world/fields.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <fstream>
#include <map>

namespace bulkmail::world {
namespace {

std::optional<Json> read_status(const std::string& path) {
  std::ifstream file(path);
  auto json = Json::parse(file, nullptr, false);
  if (json.is_discarded() || !json.is_object() || !json.contains("counts")) return std::nullopt;
  return json;
}

std::string member(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found == object.end() || !found->is_string() ? std::string() : found->get<std::string>();
}

// "smtp; 550 5.1.1 no such user" -> "550 5.1.1 no such user". Replies to a message carry its queue id: cut
// there, or each would be a cause of its own.
std::string cause_of(const Json& recipient) {
  auto text = member(recipient, "diagnostic_code");
  if (const auto kind = text.find("; "); kind != std::string::npos) text.erase(0, kind + 2);
  if (const auto queued = text.find(": queued as"); queued != std::string::npos) text.erase(queued);
  return text;
}

struct Cause {
  std::string action, status, source, text;
  auto operator<=>(const Cause&) const = default;

  [[nodiscard]] int rank() const {
    return action == "relayed" || action == "delivered" ? 0 : action == "failed" ? 1 : 2;
  }
};

// "2026-11-23T20:50:05.123Z" in milliseconds of its day; a report spans no midnight but by accident, so callers take
// the difference modulo a day.
std::optional<std::int64_t> time_of_day(const std::string& date) {
  int hours = 0, minutes = 0, seconds = 0, thousandths = 0;
  if (std::sscanf(date.c_str(), "%*d-%*d-%*dT%d:%d:%d.%d", &hours, &minutes, &seconds, &thousandths) != 4)
    return std::nullopt;
  return ((hours * 60LL + minutes) * 60 + seconds) * 1000 + thousandths;
}

// How fast it went while nobody made us wait: those who were relayed at the first attempt.
struct FirstAttempts {
  std::vector<std::int64_t> times; // of day, ms

  void add(const Json& recipient) {
    if (member(recipient, "action") != "relayed" || recipient.value("attempts", 0) != 1) return;
    if (const auto time = time_of_day(member(recipient, "last_attempt_date"))) times.push_back(*time);
  }

  void print(const std::string& arrival_date) {
    constexpr std::int64_t day = 86'400'000;
    const auto arrival = time_of_day(arrival_date);
    if (!arrival || times.empty()) return;
    for (auto& time : times) time = (time - *arrival + day) % day;
    std::ranges::sort(times);
    // The slowest tenth waited for hosts that made it wait.
    const auto count = (times.size() * 9 + 9) / 10;
    const auto took = std::max<std::int64_t>(times[count - 1], 1);
    fmt::print("\n  Throughput: {} recipients relayed at the first attempt, nine tenths of them within {} ms "
               "of arrival: "
               "{} a second\n",
               times.size(), took, static_cast<std::int64_t>(count) * 1000 / took);
  }
};

} // namespace

bool progress(const std::string& status_file) {
  const auto status = read_status(status_file);
  if (!status) return false;
  const auto& counts = (*status)["counts"];
  const auto count = [&](const char* key) { return counts.value(key, 0); };
  fmt::print("{} {} {} {} {} {}\n", count("total"), count("relayed") + count("delivered"), count("failed"),
             count("delayed"), count("queued"), status->value("final", false) ? 1 : 0);
  return true;
}

bool report(const std::string& status_file) {
  const auto status = read_status(status_file);
  if (!status) return false;
  std::map<Cause, std::size_t> causes;
  FirstAttempts first;
  for (const auto& recipient : (*status)["recipients"]) {
    ++causes[{member(recipient, "action"), member(recipient, "status"), member(recipient, "source"),
              cause_of(recipient)}];
    first.add(recipient);
  }
  std::vector<std::pair<Cause, std::size_t>> rows(causes.begin(), causes.end());
  std::ranges::sort(rows, [](const auto& a, const auto& b) {
    return std::tuple(a.first.rank(), b.second, a.first) < std::tuple(b.first.rank(), a.second, b.first);
  });
  fmt::print("  {:<8} {:>10}  {:<6}  {:<7}  {}\n", "outcome", "recipients", "status", "source", "cause");
  for (const auto& [cause, count] : rows)
    fmt::print("  {:<8} {:>10}  {:<6}  {:<7}  {:.80}\n", cause.action, count, cause.status, cause.source,
               cause.text);
  first.print(member(*status, "arrival_date"));
  return true;
}

} // namespace bulkmail::world
