// What stands behind "MAIL FROM:" and "RCPT TO:" in a drop: a path, then ESMTP parameters (RFC 5321 §4.1.2, RFC 1870,
// 3461, 6152, 6531, 6710, 8689, Postfix's XVERP, and our XMERGE and XDSN).
#pragma once

#include "spool/envelope.h"

#include <expected>
#include <optional>
#include <string>
#include <string_view>

namespace bulkmail::spool {

struct PathAndRest {
  std::string_view address; // without angle brackets, which are optional
  std::string_view rest;    // the parameters
};

// Never fails: what makes no sense as a path comes out as an address that is malformed.
[[nodiscard]] PathAndRest split_path(std::string_view text);

struct ParameterProblem {
  std::string code; // "unknown-parameter", "bad-parameter"
  std::string text;
};

struct RcptParameters {
  Notify notify;
  std::string_view orcpt;
  std::optional<std::string_view> merge; // base64, yet to be read (merge_object.h)
};

std::expected<void, ParameterProblem> take_mail_parameters(std::string_view text, Envelope& envelope);
std::expected<void, ParameterProblem> take_rcpt_parameters(std::string_view text, RcptParameters& taken);

// A few bytes of what a writer wrote, fit for any log.
[[nodiscard]] std::string excerpt(std::string_view text);

} // namespace bulkmail::spool
