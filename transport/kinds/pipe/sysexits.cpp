#include "transport/kinds/pipe/sysexits.h"

#include <sysexits.h>

namespace bulkmail::transport::kinds {

ExitMeaning meaning_of_exit(int code) {
  switch (code) {
  case EX_OK: return {"2.0.0", "delivered"};
  case EX_USAGE: return {"5.3.5", "command line usage error"};
  case EX_DATAERR: return {"5.6.0", "data format error"};
  case EX_NOINPUT: return {"5.3.0", "cannot open input"};
  case EX_NOUSER: return {"5.1.1", "user unknown"};
  case EX_NOHOST: return {"5.1.2", "host name unknown"};
  case EX_UNAVAILABLE: return {"5.3.0", "service unavailable"};
  case EX_SOFTWARE: return {"5.3.0", "internal software error"};
  case EX_OSERR: return {"4.3.0", "system resource problem"};
  case EX_OSFILE: return {"5.3.0", "critical system file missing"};
  case EX_CANTCREAT: return {"5.2.0", "cannot create output file"};
  case EX_IOERR: return {"5.3.0", "input or output error"};
  case EX_TEMPFAIL: return {"4.3.0", "temporary failure"};
  case EX_PROTOCOL: return {"5.5.0", "remote error in protocol"};
  case EX_NOPERM: return {"5.7.0", "permission denied"};
  case EX_CONFIG: return {"5.3.5", "local configuration error"};
  default: return {"5.3.0", "failed"};
  }
}

} // namespace bulkmail::transport::kinds
