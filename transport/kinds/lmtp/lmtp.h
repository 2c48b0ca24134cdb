// To a mail store, in sessions (RFC 2033): transport/client has the dialog, with a reply for each recipient.
#pragma once

#include "transport/kinds/kind.h"

namespace bulkmail::transport::kinds {

// RFC 2033 §5 forbids port 25; 24 is that of any private mail system.
inline constexpr Kind lmtp{.name = "lmtp", .sessions = Kind::Sessions::lmtp, .port = 24};

} // namespace bulkmail::transport::kinds
