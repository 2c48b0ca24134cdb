// To nowhere: each recipient is delivered at once, and the message read by nobody.
#pragma once

#include "transport/kinds/kind.h"

namespace bulkmail::transport::kinds {

[[nodiscard]] Kind::Made make_discard(const Options& options);

inline constexpr Kind discard{.name = "discard", .make = make_discard};

} // namespace bulkmail::transport::kinds
