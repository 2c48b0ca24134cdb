// To a mail host, in sessions (RFC 5321): transport/client has the dialog.
#pragma once

#include "transport/kinds/kind.h"

namespace bulkmail::transport::kinds {

inline constexpr Kind smtp{.name = "smtp", .sessions = Kind::Sessions::smtp};

} // namespace bulkmail::transport::kinds
