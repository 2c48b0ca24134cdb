#include "transport/tls/policy.h"

namespace bulkmail::transport {

std::string_view to_string(TlsLevel level) {
  switch (level) {
  case TlsLevel::off: return "none";
  case TlsLevel::opportunistic: return "opportunistic";
  case TlsLevel::encrypt: return "encrypt";
  case TlsLevel::require: return "require";
  case TlsLevel::mta_sts: return "mta-sts";
  case TlsLevel::dane: return "dane";
  }
  return "none";
}

} // namespace bulkmail::transport
