// `bulkmail submit`: messages from standard input into the spool, durably, whether an agent runs or not.
//
// Nothing appears in new/ before all of the input has been read and is on the disk; a batch goes in lots. `--id` makes a
// submission idempotent: while the name is still in new/, the same bytes again are a no-op, other bytes go under
// "<id>.<16 hex digits of their SHA-256>", so that batches of one queue id (Postfix pipe(8) has 50 recipients a call) never
// wait for each other. Once it has been claimed the agent tells them apart by itself.
#pragma once

#include "agent/config/config.h"

#include <optional>
#include <string>
#include <vector>

namespace bulkmail::agent {

struct SubmitOptions {
  std::optional<std::string> sender; // "" or "<>": the null sender
  std::string id;                    // "": one is made up
  std::vector<std::string> recipients;
  bool bsmtp = false; // the input is BSMTP transactions, envelope and all
};

// Reads descriptor `input` to its end. Answers 0 or 75, and for 75 writes one line to stderr that begins with an RFC 3463
// code of class 4: Postfix's pipe(8) takes it from there.
[[nodiscard]] int submit(const Config& config, const SubmitOptions& options, int input);

// The same answer for what goes wrong before there is anything to submit.
[[nodiscard]] int submit_failed(std::string_view code, std::string_view text);

} // namespace bulkmail::agent
