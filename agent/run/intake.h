// From names in new/ to claimed messages: events are hints, a rescan makes it certain.
//
// One claim job at a time runs on the pool, a batch of names each.
#pragma once

#include "agent/queue/sorting.h"
#include "agent/run/content.h"
#include "agent/run/timers.h"
#include "agent/seams.h"
#include "spool/drop/claim.h"

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace bulkmail::agent {

class Intake {
 public:
  class Sink {
   public:
    virtual ~Sink() = default;
    // Content null: not at hand.
    virtual void claimed(spool::Claimed claimed, WireContent content, SortedRecipients recipients) = 0;
    virtual void refused(spool::Refused refused) = 0;
    virtual void attention(std::string_view name,
                           std::string_view text) = 0;        // a warning about a drop left in new/
    virtual void disk_trouble(const spool::Error& error) = 0; // claiming pauses for a second
  };

  static constexpr std::size_t batch = 128;
  static constexpr std::size_t recipients_a_turn =
      20'000; // that claims may bring before the loop has its turn
  static constexpr milliseconds trouble_pause{1000};

  Intake(spool::Disk& disk, spool::Ids& ids, const std::string& reporting_mta, Clock& clock, Pool& pool,
         Timers& timers, Sink& sink);

  void hint(std::string name);
  void rescan();
  void pause(bool paused); // the spool is full, or the agent stops
  void turn();

  [[nodiscard]] bool has_answers() const { return finished_ != nullptr; } // turn() has more to tell

  [[nodiscard]] bool idle() const; // nothing known that could be claimed now, and no rescan asked for

 private:
  struct Job;
  void finish(std::shared_ptr<Job> job);
  void tell_some();
  void wait(const std::string& name, const spool::Waiting& waiting);
  void come_back(const std::string& name, Monotonic at);
  void pause_for_trouble(const spool::Error& error);
  void wake_at(Monotonic at);
  void wake();
  [[nodiscard]] bool held_back() const;

  std::shared_ptr<spool::Claimer> claimer_; // used by one job at a time; a job outlives a destroyed intake
  Clock& clock_;
  Pool& pool_;
  Sink& sink_;
  Timers::Alarm alarm_; // the next waiting name, or the end of a pause
  std::deque<std::string> pending_;
  std::unordered_set<std::string> known_; // what is in pending_
  std::vector<std::string> listed_;       // the rest of the last look at the folder
  std::size_t next_listed_ = 0;
  std::unordered_map<std::string, Monotonic> waiting_;
  std::unordered_map<std::string, milliseconds> linked_; // how long to wait for a hard link to go
  std::optional<Monotonic> next_;                        // what the alarm is set to
  bool rescan_ = true;
  bool paused_ = false;
  bool working_ = false;
  std::shared_ptr<Job> finished_; // whose answers are being told
  std::size_t told_ = 0;
  Monotonic trouble_until_{};
};

} // namespace bulkmail::agent
