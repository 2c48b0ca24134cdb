// A transaction on its way through a session: what of it is still to be sent, and how far its recipients are decided.
#pragma once

#include "spool/time.h"
#include "transport/client/transaction.h"
#include "transport/content/dot_stuffing.h"

#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

namespace bulkmail::transport {

struct Running {
  enum class Progress : std::uint8_t { open, accepted, decided }; // of a recipient; accepted: by RCPT
  // What it sends next. `content`: the caller does.
  enum class Step : std::uint8_t { begin, mail, rcpt, data, chunks, content, over };

  Running(std::uint32_t number, Transaction what);

  std::uint32_t id;
  Transaction transaction;
  Step step = Step::begin;
  bool chunked = false;    // its content goes by BDAT
  bool one_flight = false; // … right behind the envelope
  bool answered = false;   // a command of it was, MAIL or later, by something else than 421
  bool end_sent = false;   // the end of data: from here on a loss is indeterminate
  bool timed = false;      // … and nothing of other transactions was unanswered then
  std::uint32_t next_recipient = 0;
  std::uint32_t unanswered = 0; // commands
  std::uint32_t open = 0;       // recipients not decided
  std::uint32_t accepted = 0;   // of those: accepted by RCPT
  Monotonic end_sent_at{};
  std::optional<std::chrono::nanoseconds> end_of_data; // from then to its reply
  DotStuffer stuffer;
  std::vector<Progress> progress;
  std::vector<RecipientResult> results;

  [[nodiscard]] bool finished() const { return step == Step::over && unanswered == 0; }

  void accept(std::uint32_t recipient);
  void decide(std::uint32_t recipient, RecipientResult result);
  void decide_open(const RecipientResult& result); // all that are not decided
};

} // namespace bulkmail::transport
