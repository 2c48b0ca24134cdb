// What a mail host offers in its reply to EHLO (RFC 5321 §4.1.1.1).
#pragma once

#include "transport/reply.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace bulkmail::transport {

struct Offer {
  bool esmtp = false; // false: HELO was needed
  bool pipelining = false, eight_bit_mime = false, smtp_utf8 = false, enhanced_status_codes = false,
       dsn = false;
  bool starttls = false, chunking = false;
  std::vector<std::string> auth;     // names of mechanisms, in upper case (RFC 4954 §3)
  std::optional<std::uint64_t> size; // 0: no fixed limit
  // RFC 9422; 0: none announced.
  std::uint32_t mail_max = 0, rcpt_max = 0, rcpt_domain_max = 0;
};

[[nodiscard]] Offer parse_offer(const Reply& ehlo);

} // namespace bulkmail::transport
