#include "agent/cli/agent_main.h"

#include <sysexits.h>

namespace bulkmail::agent {

int run_agent(const Config&, const RunOptions&) { return EX_SOFTWARE; }

int drain_spool(const Config&, const DrainOptions&) { return EX_SOFTWARE; }

} // namespace bulkmail::agent
