// Keeps over restarts which MTA-STS policies are known: the file state/mta-sts, written off the loop some seconds after one was
// learned. What a crash loses is fetched again; a file that can't be read is no reason to send nothing.
#pragma once

#include "agent/run/sts_cache.h"
#include "agent/run/timers.h"
#include "agent/seams.h"
#include "spool/disk.h"

#include <string>

namespace bulkmail::agent {

class StsFile {
 public:
  StsFile(spool::Disk& disk, Pool& pool, Log& log, Clock& clock, Timers& timers);

  [[nodiscard]] const StsKeptByDomain& recover(); // blocking
  void keep(const std::string& domain, const StsKept& kept);
  void close(); // what was learned is written now

  [[nodiscard]] bool idle() const { return !writing_ && !news_; }

 private:
  void write();

  spool::Disk& disk_;
  Pool& pool_;
  Log& log_;
  Clock& clock_;
  Timers::Alarm alarm_;
  StsKeptByDomain kept_;
  bool news_ = false, writing_ = false;
};

} // namespace bulkmail::agent
