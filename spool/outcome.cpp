#include "spool/outcome.h"

namespace bulkmail::spool {

std::string_view to_string(Action action) {
  switch (action) {
  case Action::queued: return "queued";
  case Action::relayed: return "relayed";
  case Action::delivered: return "delivered";
  case Action::failed: return "failed";
  case Action::delayed: return "delayed";
  }
  return "queued";
}

std::string_view to_string(Source source) {
  switch (source) {
  case Source::none: return "";
  case Source::remote: return "remote";
  case Source::dns: return "dns";
  case Source::network: return "network";
  case Source::tls: return "tls";
  case Source::policy: return "policy";
  case Source::local: return "local";
  case Source::expired: return "expired";
  }
  return "";
}

} // namespace bulkmail::spool
