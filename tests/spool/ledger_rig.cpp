#include "tests/spool/ledger_rig.h"

#include <sstream>
#include <stdexcept>

namespace bulkmail::spool {

std::string drop_for(const std::vector<std::string>& recipients) {
  std::string drop = "list@example.org\n";
  for (const std::string& recipient : recipients) drop += recipient + "\n";
  return drop + "\nSubject: hello\n\nHello.\n";
}

Outcome relayed() {
  Outcome outcome;
  outcome.action = Action::relayed;
  outcome.source = Source::remote;
  outcome.status = "2.0.0";
  outcome.diagnostic_code = "smtp; 250 2.0.0 Ok";
  outcome.remote_mta = "mx1.d1.example";
  outcome.remote_address = "192.0.2.7";
  outcome.remote_port = 25;
  return outcome;
}

Outcome failed_for_good() {
  Outcome outcome;
  outcome.action = Action::failed;
  outcome.source = Source::remote;
  outcome.status = "5.1.1";
  outcome.diagnostic_code = "smtp; 550 5.1.1 no such user";
  return outcome;
}

Outcome delayed_until(Wall next) {
  Outcome outcome;
  outcome.action = Action::delayed;
  outcome.source = Source::network;
  outcome.status = "4.4.1";
  outcome.diagnostic_code = "x-bulkmail; no answer";
  outcome.next_attempt_date = next;
  return outcome;
}

LedgerConfig LedgerRig::standard() {
  LedgerConfig config;
  config.reporting_mta = "relay.example";
  return config;
}

LedgerRig::LedgerRig(MemoryDisk& on, LedgerConfig config)
    : disk(on),
      ledger(on, ids, std::move(config)),
      now{Monotonic(std::chrono::hours(1)), Wall(std::chrono::sys_days(std::chrono::year(2026) / 11 / 23))} {}

Recovered& LedgerRig::recover() {
  auto found = ledger.recover(now.wall);
  if (!found) throw std::runtime_error(found.error().text);
  recovered = std::move(*found);
  for (auto& one : recovered.messages) messages[std::string(one->id())] = std::move(one);
  return recovered;
}

Message& LedgerRig::claim(const std::string& name, const std::string& as) {
  const std::string id = as.empty() ? name : as;
  const std::string path = "cur/" + id;
  if (auto moved = disk.rename_new("new/" + name, path); !moved) throw std::runtime_error(moved.error().text);
  const auto info = disk.info(path);
  auto file = disk.open_read(path);
  auto parsed = parse_drop(**file, info->size);
  if (!parsed) throw std::runtime_error(parsed.error().text);
  MessageFacts facts;
  facts.number = ids.next_number();
  facts.id = id;
  facts.name = name;
  facts.digest = parsed->digest;
  facts.stamp = {info->inode, info->mtime_ns, info->size};
  facts.content = parsed->content;
  facts.size = parsed->size;
  facts.message_id = parsed->message_id;
  facts.arrival_date = now.wall;
  facts.envelope = std::move(parsed->envelope);
  auto& message = messages[id] =
      std::make_unique<Message>(std::move(facts), now.wall + std::chrono::hours(120));
  ids.take(message->packed());
  ledger.begin(*message, now);
  return *message;
}

void LedgerRig::settle(const std::string& id, std::vector<std::uint32_t> recipients, Outcome outcome) {
  ledger.settle(message(id), recipients, std::move(outcome), now);
}

void LedgerRig::settle_all(const std::string& id, Outcome outcome) {
  std::vector<std::uint32_t> all(message(id).recipients());
  for (std::uint32_t index = 0; index < all.size(); ++index) all[index] = index;
  settle(id, all, std::move(outcome));
}

void LedgerRig::work() {
  while (auto job = ledger.next_job(now)) {
    ++jobs;
    job->run();
    ledger.finish(std::move(job), now);
  }
  for (const std::uint64_t number : ledger.take_closed())
    std::erase_if(messages, [&](const auto& entry) {
      if (entry.second->number() != number) return false;
      closed.push_back(entry.first);
      return true;
    });
}

void LedgerRig::pass(milliseconds time) {
  const Monotonic end = now.mono + time;
  for (;;) {
    work();
    const auto deadline = ledger.deadline();
    if (!deadline || *deadline > end) break;
    const auto step = std::chrono::ceil<milliseconds>(std::max(*deadline, now.mono) - now.mono);
    now.mono += step;
    now.wall += step;
    disk.set_time(std::chrono::nanoseconds(now.wall.time_since_epoch()).count());
  }
  now.wall += std::chrono::ceil<milliseconds>(end - now.mono);
  now.mono = end;
}

void LedgerRig::finish() {
  for (int seconds = 0; seconds < 300 && !ledger.idle(); ++seconds) pass(milliseconds(1'000));
}

nlohmann::json LedgerRig::status(const std::string& id) const {
  const auto bytes = disk.contents(status_path(id));
  return bytes ? nlohmann::json::parse(*bytes) : nlohmann::json();
}

std::vector<nlohmann::json> LedgerRig::results() const {
  std::vector<nlohmann::json> events;
  std::istringstream lines(disk.contents("results/current.ndjson").value_or(""));
  for (std::string line; std::getline(lines, line);) events.push_back(nlohmann::json::parse(line));
  return events;
}

} // namespace bulkmail::spool
