#include "agent/run/tls_records.h"

#include "agent/run/log_line.h"
#include "agent/run/state_file.h"

#include <cerrno>
#include <memory>
#include <utility>
#include <vector>

namespace bulkmail::agent {
namespace {

// A day without domains needs no file.
spool::Result<void> keep(spool::Disk& disk, Day day, const TlsRecord& record) {
  const std::string name = tls_record_file(day);
  if (!record.counts.empty()) return write_state(disk, name, write_tls_record(record));
  auto removed = disk.remove(name);
  if (!removed && removed.error().code == ENOENT) return {};
  return removed;
}

} // namespace

spool::Result<void> TlsRecords::recover() {
  const auto names = disk_.list("state");
  if (!names) return std::unexpected(names.error());
  for (const std::string& name : *names) {
    const auto day = tls_record_day(name);
    if (!day) continue;
    const auto text = read_state(disk_, tls_record_file(*day), largest_tls_record);
    auto record = text && *text ? read_tls_record(**text) : std::nullopt;
    if (record)
      days_.insert_or_assign(*day, *std::move(record));
    else
      say(log_, Level::warning, "a day's TLS reports are lost", "state/" + name + " can't be read");
  }
  return {};
}

void TlsRecords::count(Day day, const std::string& domain, const PublishedPolicy& policy,
                       const TlsTally& sessions) {
  days_[day].counts.add(domain, policy, sessions);
  changed_.insert(day);
}

void TlsRecords::sent(Day day, const std::string& domain, const std::string& where) {
  const auto known = days_.find(day);
  if (known == days_.end()) return;
  known->second.sent[domain].insert(where);
  changed_.insert(day);
}

void TlsRecords::done(Day day, const std::string& domain) {
  const auto known = days_.find(day);
  if (known == days_.end()) return;
  known->second.counts.forget(domain);
  known->second.sent.erase(domain);
  changed_.insert(day);
}

void TlsRecords::drop(Day day) {
  days_[day] = {};
  changed_.insert(day);
}

void TlsRecords::save() {
  if (changed_.empty()) return;
  wanted_ = true;
  if (!writing_) write();
}

void TlsRecords::write() {
  struct Round {
    std::vector<std::pair<Day, TlsRecord>> days;
    std::vector<std::pair<Day, spool::Error>> failed;
  };

  auto round = std::make_shared<Round>();
  for (const Day day : std::exchange(changed_, {})) {
    round->days.emplace_back(day, days_.at(day));
    if (days_.at(day).counts.empty()) days_.erase(day);
  }
  wanted_ = false;
  writing_ = true;
  pool_.run(
      [round, &disk = disk_] {
        for (const auto& [day, record] : round->days)
          if (auto kept = keep(disk, day, record); !kept) round->failed.emplace_back(day, kept.error());
      },
      [this, round] {
        writing_ = false;
        for (const auto& [day, error] : round->failed) {
          say(log_, Level::warning, "TLS counts not kept", error.text);
          if (days_.contains(day)) changed_.insert(day); // with the next save
        }
        if (wanted_) write();
      });
}

} // namespace bulkmail::agent
