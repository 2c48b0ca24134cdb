// Why a recipient was not reached, in one word an upstream can act on: RFC 3463 codes say it too coarsely, and large
// receivers use them freely; their texts say it better (docs/bounce-classes.md).
//
// A pure function of an outcome. The local cause decides first, then the words of the reply, then its enhanced code, then
// its three digits.
#pragma once

#include "spool/outcome.h"

#include <cstdint>
#include <string_view>

namespace bulkmail::spool {

enum class BounceClass : std::uint8_t {
  none, // nothing to explain: not tried yet, relayed, delivered
  mailbox_unknown,
  mailbox_disabled,
  mailbox_full,
  bad_address,
  domain_unknown,
  sender_refused,
  auth,
  spam_block,
  content,
  policy,
  relaying,
  too_large,
  rate_limited,
  greylisted,
  system,
  dns,
  network,
  tls,
  protocol,
  expired,
  local,
  cancelled,
  unclassified,
};

inline constexpr auto last_bounce_class = BounceClass::unclassified;

// "mailbox-unknown"; "" for none.
[[nodiscard]] std::string_view to_string(BounceClass what);

[[nodiscard]] BounceClass bounce_class(const Outcome& outcome);

// Of a reply's text as a diagnostic code has it behind "smtp; ": "550 5.1.1 No such user".
[[nodiscard]] BounceClass classify_reply(std::string_view reply);

// A delay by which the host tells us to slow down, because of our rate or its load; not one that only has to do with this
// sender, this message or this mailbox, as greylisting and a full mailbox have.
[[nodiscard]] bool means_slower(const Outcome& outcome);

// What the outcome of a message that somebody took out of the queue says, behind "x-bulkmail; ".
inline constexpr std::string_view cancelled_text = "cancelled";

} // namespace bulkmail::spool
