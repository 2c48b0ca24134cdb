#include "agent/cli/resting_queue.h"

#include "spool/drop/claim.h"
#include "spool/posix_disk.h"

#include <fmt/format.h>

#include <fstream>

namespace bulkmail::agent {
namespace {

using nlohmann::json;

// Dates of one form, in UTC: the earliest is the least text.
json next_attempt(const json& status) {
  json earliest;
  if (!status.contains("recipients")) return earliest;
  for (const json& recipient : status["recipients"]) {
    const json date = recipient.value("next_attempt_date", json());
    if (date.is_string() && (earliest.is_null() || date < earliest)) earliest = date;
  }
  return earliest;
}

json describe(const std::string& spool, const std::string& id) {
  const json status = read_status(spool, id);
  json message{{"id", id}};
  for (const char* field : {"sender", "size", "arrival_date", "counts"}) {
    message[field] = status.is_object() ? status.value(field, json()) : json();
  }
  message["next_attempt_date"] = status.is_object() ? next_attempt(status) : json();
  return message;
}

} // namespace

json read_status(const std::string& spool, const std::string& id) {
  if (id.find('/') != std::string::npos) return nullptr;
  std::ifstream file(fmt::format("{}/status/{}.json", spool, id));
  json status = json::parse(file, nullptr, false);
  return status.is_object() ? status : json();
}

std::expected<json, std::string> resting_queue(const std::string& spool) {
  auto disk = spool::open_posix_disk(spool);
  if (!disk) return std::unexpected(disk.error().text);
  json messages = json::array();
  for (const char* folder : {"cur", "new"}) {
    const auto names = (*disk)->list(folder);
    if (!names) return std::unexpected(names.error().text);
    for (const auto& name : *names) {
      if (spool::valid_id(name) && !spool::in_progress_name(name)) messages.push_back(describe(spool, name));
    }
  }
  return json{{"agent", nullptr}, {"messages", std::move(messages)}, {"sites", json::array()}};
}

} // namespace bulkmail::agent
