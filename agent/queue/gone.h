// How a session ended, as far as that tells something of its Site.
#pragma once

#include <cstdint>

namespace bulkmail::agent {

enum class Gone : std::uint8_t {
  closed,   // after QUIT, or a used session that the peer closed
  refused,  // 421, or could not be opened, while it was the Site's turn: the Window shrinks
  insecure, // no host proved what this Lane's mail asks for: other Lanes' may ask for less, and goes on
};

} // namespace bulkmail::agent
