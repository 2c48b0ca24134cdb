// Final delivery to something that is no mail host: a program, a folder, nowhere. One recipient at a time, without I/O.
//
// A Delivery is what a route says about its transport, shared by all mail that goes there. It says what is to be opened for
// a recipient, and what became of the recipient once that has ended; who opens, writes and waits is the agent's carrier:
//
//   if (auto opening = delivery.opening(letter)) {
//     open it, write its head and then the content with lines that end in LF, end the stream, wait for its end:
//     outcome = delivery.outcome(letter, ending, now);
//   } else {
//     outcome = delivery.outcome(letter, {}, now); // nothing is opened for this one
//   }
#pragma once

#include "spool/outcome.h"
#include "spool/time.h"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace bulkmail::transport::kinds {

// A message on its way to one recipient.
struct Letter {
  std::string id;        // the message's
  std::string sender;    // "": the null sender
  std::string recipient; // "ann@d1.example"
  std::string hostname;  // this host's
  std::uint64_t random = 0;
  Wall now{};
};

// What is opened for a letter.
struct Opening {
  enum class Kind : std::uint8_t { process, file } kind = Kind::process;
  std::string head; // comes before the content
  std::chrono::milliseconds timeout{};
  // A process: its program with arguments, and all of its environment. It is never a shell's line.
  std::vector<std::string> arguments, environment;
  // A file: written whole and made durable as `temporary`, then renamed to `place`. The folders are made first, in this order,
  // as far as they are missing.
  std::string temporary, place;
  std::vector<std::string> folders;
};

// How it ended.
struct Ending {
  enum class Kind : std::uint8_t {
    done,      // the process exited with `code`; the file is in its place
    killed,    // the process died of signal `code`
    timed_out, // … was killed as it took too long
    broken,    // it could not be opened or written: `text` says why
  } kind = Kind::done;
  int code = 0;
  std::string text; // what the process wrote to its standard output and error, the first of it
};

class Delivery {
 public:
  virtual ~Delivery() = default;
  // The name of its Site, on which limits hold: "pipe:/usr/bin/x".
  [[nodiscard]] virtual std::string site() const = 0;

  // How many it takes in one attempt. One, if it does something that must not be done again: that is on record then before
  // the next one's turn.
  [[nodiscard]] virtual std::uint32_t recipients() const { return 1; }

  // What there is to be opened; none: nothing is.
  [[nodiscard]] virtual std::optional<Opening> opening(const Letter& letter) const = 0;
  [[nodiscard]] virtual spool::Outcome outcome(const Letter& letter, const Ending& ending,
                                               Wall now) const = 0;
};

// The fields that final delivery puts before a message, lines end in LF: where it came from (RFC 5321 §4.4) and whom it went
// to, by which a loop is found out.
[[nodiscard]] std::string trace_fields(const Letter& letter);

} // namespace bulkmail::transport::kinds
