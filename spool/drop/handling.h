// What is being handled right now, on disk, so that a drop that crashes the agent is known at the next start.
//
// state/handling has the path of it in its first line, padded so that one write in place replaces it (no sync: it must
// outlive the process, not the machine), and below one line for each path that crashed before: how many starts, and
// the path. A path that crashed `patience` starts is hopeless: it is to be refused without being parsed.
//
//   HandlingMark mark(disk);                        // once a start; takes what the last one left
//   if (mark.hopeless("new/a")) … refuse it …, mark.settled("new/a");
//   else { const auto handling = mark.handle("new/a"); … parse it … }
//   mark.rest();                                    // after the last of several
//
// Between one file and the next the record is not cleared, to save a write: should something else crash the agent there,
// the file before is suspected, which is harmless, since by then it has mostly gone from where it was.
//
// One user at a time. Where the disk can't write it, work goes on without.
#pragma once

#include "spool/disk.h"

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bulkmail::spool {

class HandlingMark {
 public:
  static constexpr unsigned patience = 3;
  static constexpr std::size_t max_suspects = 64; // those that crashed before; the oldest are forgotten

  explicit HandlingMark(Disk& disk);

  [[nodiscard]] bool hopeless(std::string_view path) const;
  void settled(std::string_view path); // it won't be handled again, or did no harm
  void rest();                         // nothing is handled

  class Scope {
   public:
    Scope(HandlingMark& mark, std::string_view path) : mark_(mark), path_(path) {
      mark_.write_current(path_);
    }

    // A simulated disk stops the program by an exception, which may well be here.
    ~Scope() noexcept(false) { mark_.settled(path_); }

    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    HandlingMark& mark_;
    std::string_view path_;
  };

  [[nodiscard]] Scope handle(std::string_view path) { return {*this, path}; } // `path` must outlive the scope

 private:
  struct Suspect {
    std::string path;
    unsigned crashes = 0;
  };

  void read_last_start();
  void begin_file();
  void write_current(std::string_view path);

  Disk& disk_;
  std::unique_ptr<File> file_;
  bool marked_ = false; // a path stands in it
  std::vector<Suspect> suspects_;
};

} // namespace bulkmail::spool
