// The days of TLS reports that are not over and done with, in memory and in state/: a file a day (agent/report/tls_record.h),
// rewritten off the loop where it changed. A crash loses what was counted since the last save().
#pragma once

#include "agent/report/tls_record.h"
#include "agent/seams.h"
#include "spool/disk.h"

#include <map>
#include <set>
#include <string>

namespace bulkmail::agent {

class TlsRecords {
 public:
  TlsRecords(spool::Disk& disk, Pool& pool, Log& log) : disk_(disk), pool_(pool), log_(log) {}

  [[nodiscard]] spool::Result<void>
  recover(); // blocking; a file that can't be read is told of and left alone

  [[nodiscard]] const std::map<Day, TlsRecord>& days() const { return days_; }

  void count(Day day, const std::string& domain, const PublishedPolicy& policy, const TlsTally& sessions);
  void sent(Day day, const std::string& domain, const std::string& where);
  void done(Day day, const std::string& domain); // nothing more is to be told of it
  void drop(Day day);                            // with all its domains
  void save();

  [[nodiscard]] bool idle() const { return !writing_ && !wanted_; }

 private:
  void write();

  spool::Disk& disk_;
  Pool& pool_;
  Log& log_;
  std::map<Day, TlsRecord> days_;
  std::set<Day> changed_; // since they were written
  bool writing_ = false, wanted_ = false;
};

} // namespace bulkmail::agent
