// What waits in a spool that no agent works on, as its files tell: names from cur/ and new/, the rest from status files.
#pragma once

#include <nlohmann/json.hpp>

#include <expected>
#include <string>

namespace bulkmail::agent {

// The object that an agent answers to `queue`, with no agent and no sites. The error: the spool can't be read.
[[nodiscard]] std::expected<nlohmann::json, std::string> resting_queue(const std::string& spool);

// One status file's content; null: there is none, or it is no status file.
[[nodiscard]] nlohmann::json read_status(const std::string& spool, const std::string& id);

} // namespace bulkmail::agent
