// Plays a written conversation to the SMTP client: the script's server side goes in, what comes out is
// compared.
#pragma once

#include "dialog_script.h"
#include "transport/client/client.h"

#include <cstddef>
#include <string>
#include <vector>

namespace bulkmail::transport {

class DialogPlay {
 public:
  enum class Pace { whole, bytes };       // what the server says at once comes in one read, or byte by byte
  enum class End { none, lost, timeout }; // what happens after `cut` octets of the server's

  DialogPlay(const DialogScript& script, Pace pace, End end = End::none, std::size_t cut = 0);

  std::vector<std::string> said;     // what differs from the script, if anything
  std::vector<std::string> told;     // the events, as the script's "=" lines have them
  std::vector<std::string> expected; // those lines
  std::vector<std::string> broken;   // promises of the client's that it did not keep
  std::size_t accepting_transactions = 0;

 private:
  void play();
  bool server_says(const std::string& octets); // false: the dialog was cut here
  void client_must_say(const DialogStep& step);
  void perform(const DialogStep& step);
  void start(const std::string& arguments);
  void pump();
  void handle(const Event& event);
  void settled(const Event& event);
  void finish();

  const DialogScript& script_;
  Pace pace_;
  End end_;
  std::size_t left_; // octets until the cut
  Monotonic now_{};
  Client client_;
  std::string output_; // not yet compared
  std::vector<Transaction> started_;
  std::size_t settled_ = 0;
  std::size_t closed_ = 0;
  bool dot_out_ = false;
};

// The octets of the server's after which the n-th end of data is answered 2yz.
[[nodiscard]] std::vector<std::size_t> accepting_replies(const DialogScript& script);
[[nodiscard]] std::size_t server_octets(const DialogScript& script);

} // namespace bulkmail::transport
