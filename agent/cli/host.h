// What the command line asks of this host.
#pragma once

#include <string>

namespace bulkmail::agent {

// The fully qualified name, by the resolver if the host's own name has no dot; may wait for the DNS. Never empty.
[[nodiscard]] std::string full_hostname();

} // namespace bulkmail::agent
