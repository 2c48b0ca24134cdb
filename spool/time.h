// The two clocks. No room asks what time it is: whoever calls passes it in.
#pragma once

#include <chrono>

namespace bulkmail {

// For every delay, deadline and expiry. Never compared with anything that was stored before a restart.
using Monotonic = std::chrono::steady_clock::time_point;
// For what people read: dates in status files, results and logs.
using Wall = std::chrono::sys_time<std::chrono::milliseconds>;
using std::chrono::milliseconds;

struct Now {
  Monotonic mono;
  Wall wall;
};

} // namespace bulkmail
