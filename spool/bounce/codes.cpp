#include "spool/bounce/codes.h"

#include <algorithm>

namespace bulkmail::spool {
namespace {

using enum BounceClass;

constexpr CodeMeaning codes[] = {
    {"1.0", mailbox_unknown},
    {"1.1", mailbox_unknown},
    {"1.2", domain_unknown},
    {"1.3", bad_address},
    {"1.4", mailbox_unknown}, // ambiguous
    {"1.6", mailbox_unknown}, // has moved, nobody knows where
    {"1.7", sender_refused},
    {"1.8", sender_refused},
    {"1.10", domain_unknown}, // RFC 7505: null MX

    {"2.1", mailbox_disabled},
    {"2.2", mailbox_full},
    {"2.3", too_large},
    {"2.4", system}, // its mailing list

    {"3.3", protocol},
    {"3.4", too_large},
    {"3.", system},

    {"4.", system}, // of the receiver's network, since it was the receiver who said so

    {"5.3", rate_limited}, // too many recipients
    {"5.", protocol},

    {"6.3", protocol}, // conversion needed
    {"6.6", protocol},
    {"6.7", protocol}, // RFC 6531: an address that is not ASCII
    {"6.8", protocol},
    {"6.9", protocol},
    {"6.10", protocol},
    {"6.", content},

    {"7.4", tls},
    {"7.5", tls},
    {"7.8", relaying}, // credentials
    {"7.9", relaying},
    {"7.10", tls},
    {"7.11", tls},
    {"7.12", relaying},
    {"7.13", mailbox_disabled},
    {"7.17", mailbox_unknown}, // RFC 7293: it has another owner now
    {"7.18", domain_unknown},
    {"7.20", auth}, // RFC 7372
    {"7.21", auth},
    {"7.22", auth},
    {"7.23", auth},
    {"7.24", auth},
    {"7.25", auth},
    {"7.26", auth},
    {"7.27", sender_refused}, // RFC 7505: its domain takes no mail
    {"7.28", rate_limited},
    {"7.29", auth},        // RFC 8617
    {"7.30", tls},         // RFC 8689
    {"7.501", spam_block}, // from here on Exchange Online's own
    {"7.502", spam_block},
    {"7.503", spam_block},
    {"7.508", rate_limited},
    {"7.509", auth},
    {"7.511", spam_block},
    {"7.515", auth},
    {"7.606", spam_block},
    {"7.64", relaying},
    {"7.705", rate_limited},
    {"7.708", spam_block},
    {"7.", policy},
};

} // namespace

std::span<const CodeMeaning> known_codes() { return codes; }

std::optional<BounceClass> class_by_enhanced_code(std::string_view status) {
  if (status.size() < 5) return std::nullopt;
  const std::string_view subject_detail = status.substr(2);
  const auto found = std::ranges::find_if(codes, [&](const CodeMeaning& one) {
    return one.subject_detail.ends_with('.') ? subject_detail.starts_with(one.subject_detail)
                                             : subject_detail == one.subject_detail;
  });
  if (found == std::end(codes)) return std::nullopt;
  return found->meaning;
}

std::optional<BounceClass> class_by_reply_code(int code) {
  switch (code) {
  case 421:
  case 451:
  case 452: return system;
  case 454:
  case 523:
  case 538: return tls;
  case 500:
  case 501:
  case 502:
  case 503:
  case 504:
  case 555: return protocol;
  case 521:
  case 556: return domain_unknown; // RFC 7504
  case 530:
  case 534:
  case 535: return relaying;
  case 551: return mailbox_unknown;
  case 552: return mailbox_full;
  case 553: return bad_address;
  default: return std::nullopt; // 450, 550 and 554 say "no" and not why
  }
}

} // namespace bulkmail::spool
