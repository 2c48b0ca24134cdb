// Keeps over restarts how far the warm-up of each address to send from is: the file state/warmup, a line an address behind
// a mark that a run is under way.
//
// An address that has sent what may go at once waits for no longer than that makes it (rate.h). So the file need not have
// each recipient: one that still bears the mark is a crash's, and every address in it waits for the longest that it can owe,
// counted from the start. Only the end of a run writes what is really owed. Steps and their begin are written when they change;
// what is lost of that is begun anew, which sends less and never more. An address that is not warmed up at present keeps
// its line.
#pragma once

#include "agent/queue/warmup.h"
#include "agent/seams.h"
#include "spool/disk.h"

#include <optional>
#include <span>
#include <string>

namespace bulkmail::agent {

class WarmupFile {
 public:
  WarmupFile(spool::Disk& disk, Pool& pool, Log& log) : disk_(disk), pool_(pool), log_(log) {}

  // Blocking: how far they are, of which these are to be warmed up. From now on the file bears the mark, if there are any.
  [[nodiscard]] spool::Result<WarmupStates> recover(std::span<const resolver::IpAddress> warming);
  void keep(const WarmupStates& states);  // while running: written if a step or its begin is news
  void close(const WarmupStates& states); // the last of this run

  [[nodiscard]] bool idle() const { return !writing_ && !wanted_; }

 private:
  void write(std::string text);

  spool::Disk& disk_;
  Pool& pool_;
  Log& log_;
  WarmupStates kept_;
  std::optional<std::string> wanted_; // to be written next
  bool writing_ = false;
};

} // namespace bulkmail::agent
