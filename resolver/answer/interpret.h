// From a response to what it says about its question (RFC 1034 §3.6.2, RFC 2308, RFC 6604): the CNAME chain,
// positive and negative answers, how long they hold, and whether the server is of any use for this question.
#pragma once

#include "resolver/answer/answer.h"
#include "resolver/wire/codec.h"

#include <expected>
#include <string>

namespace bulkmail::resolver {

// This server does not answer this question; another one may.
struct ServerFault {
  std::string text;
  bool perhaps_edns = false; // it may answer without EDNS (RFC 6891 §7)
};

[[nodiscard]] std::expected<Answer, ServerFault> interpret(const Question& question, Message message,
                                                           Monotonic now);

} // namespace bulkmail::resolver
