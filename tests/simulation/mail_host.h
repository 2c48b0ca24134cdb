// A simulated receiving mail host: the server's side of SMTP with the faults that its character draws, and a book of what
// it took. It answers bytes with bytes; the virtual network carries them.
#pragma once

#include "resolver/dice.h"
#include "spool/time.h"

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bulkmail::simulation {

// What all hosts together took: by message (its Message-ID) and recipient.
struct Book {
  struct Entry {
    std::vector<Monotonic> taken; // each time that an end of data was answered 2yz, or would have been
    int replies_lost = 0;         // the connection broke between that and the reply's arrival
  };

  std::map<std::pair<std::string, std::string>, Entry> entries;
  // Which notices told of a message's recipient.
  std::map<std::pair<std::string, std::string>, std::set<std::string>> told;
};

// How likely (of 1000) things go wrong at a host.
struct Character {
  int refuse_greeting = 0; // 421
  int silent = 0;          // accepts and says nothing
  int unreachable = 0;     // connection refused
  int temporary = 0;       // 451 to a RCPT
  int permanent = 0;       // 550 to a RCPT, always the same recipients
  int drop = 0;            // the connection breaks, at each command
  int drop_after_dot = 0;  // … between end of data and its reply
  int shut_down = 0;       // 421 to a command
  bool pipelining = true, chunking = true;
};

class MailHostSession {
 public:
  MailHostSession(const Character& character, Dice& dice, Book& book)
      : character_(character),
        dice_(dice),
        book_(book) {}

  struct Answer {
    std::string bytes;
    bool close = false;
  };

  Answer greet();
  Answer receive(std::string_view bytes, Monotonic now);

 private:
  bool happens(int of_thousand) { return dice_.below(1000) < static_cast<std::uint64_t>(of_thousand); }

  void command(std::string_view line, Answer& answer);
  bool take_chunk(); // false: some of it is still to come
  void end_of_data(Answer& answer, Monotonic now);

  const Character& character_;
  Dice& dice_;
  Book& book_;
  std::string pending_, content_;
  std::vector<std::string> recipients_;
  std::size_t chunk_left_ = 0;
  bool silent_ = false, in_data_ = false, has_sender_ = false, in_chunk_ = false, last_chunk_ = false;
};

} // namespace bulkmail::simulation
