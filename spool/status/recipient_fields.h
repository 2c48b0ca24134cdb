// The fields of one recipient (RFC 3464 §2.3), as a status file and a line of results have them alike.
#pragma once

#include "spool/message.h"
#include "spool/status/json_writer.h"

#include <string>
#include <string_view>

namespace bulkmail::spool {

// What recipients answered alike have in common, rendered once for all of them.
class OutcomeFields {
 public:
  explicit OutcomeFields(const Outcome& known); // of who is queued: all unknown

  // The members from "final_recipient" to "will_retry_until", into an open object.
  void append(std::string& out, const Recipient& recipient, unsigned attempts) const;

 private:
  std::string before_attempts_, after_attempts_;
};

// RFC 3461 §4: what xtext stands for; what is not xtext stays as it is.
[[nodiscard]] std::string decode_xtext(std::string_view xtext);

} // namespace bulkmail::spool
