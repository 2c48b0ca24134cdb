#include "spool/notice/policy.h"

#include "spool/bounce/bounce_class.h"

namespace bulkmail::spool {

std::string_view to_string(NoticeKind kind) {
  switch (kind) {
  case NoticeKind::failure: return "failure";
  case NoticeKind::delay: return "delay";
  case NoticeKind::success: return "success";
  }
  return "";
}

bool may_be_told(const Envelope& envelope, Action action, LedgerConfig::Dsn dsn) {
  if (envelope.sender().empty() || dsn == LedgerConfig::Dsn::off || action == Action::queued) return false;
  if (envelope.has_dsn_parameters()) return true;
  return action == Action::failed && (envelope.notices || dsn == LedgerConfig::Dsn::on);
}

std::optional<NoticeKind> notice_for(const MessageFacts& facts, const Notify& notify, const Outcome& outcome,
                                     Wall now, LedgerConfig::Dsn dsn) {
  if (!may_be_told(facts.envelope, outcome.action, dsn) || notify.never) return std::nullopt;
  switch (outcome.action) {
  case Action::failed: {
    if (bounce_class(outcome) == BounceClass::cancelled) return std::nullopt; // whoever did it knows
    const bool by_default = facts.envelope.notices || dsn == LedgerConfig::Dsn::on;
    if (notify.given ? notify.failure : by_default) return NoticeKind::failure;
    return std::nullopt;
  }
  case Action::delayed:
    if (notify.delay && now - facts.arrival_date >= delay_worth_telling) return NoticeKind::delay;
    return std::nullopt;
  case Action::relayed:
    // A host that knows DSN has taken over with the message what the sender asked for.
    if (notify.success && !outcome.dsn_taken_over) return NoticeKind::success;
    return std::nullopt;
  case Action::delivered:
    if (notify.success) return NoticeKind::success;
    return std::nullopt;
  case Action::queued: break;
  }
  return std::nullopt;
}

} // namespace bulkmail::spool
