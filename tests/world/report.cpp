#include "tests/world/report.h"

#include "tests/world/fields.h"

#include <fmt/format.h>

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
  for (const auto& recipient : (*status)["recipients"])
    ++causes[{member(recipient, "action"), member(recipient, "status"), member(recipient, "source"),
              cause_of(recipient)}];
  std::vector<std::pair<Cause, std::size_t>> rows(causes.begin(), causes.end());
  std::ranges::sort(rows, [](const auto& a, const auto& b) {
    const auto rank = [](const auto& row) {
      return row.first.action == "relayed" ? 0 : row.first.action == "failed" ? 1 : 2;
    };
    return std::tuple(rank(a), b.second, a.first) < std::tuple(rank(b), a.second, b.first);
  });
  fmt::print("  {:<10} {:>10}  {:<7} {:<8} {}\n", "outcome", "recipients", "status", "source", "cause");
  for (const auto& [cause, count] : rows)
    fmt::print("  {:<10} {:>10}  {:<7} {:<8} {:.70}\n", cause.action, count, cause.status, cause.source,
               cause.text);
  return true;
}

} // namespace bulkmail::world
