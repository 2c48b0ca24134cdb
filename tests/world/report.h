// What a person sees of a status file (agent/quickstart).
#pragma once

#include <string>

namespace bulkmail::world {

// A table of outcomes by cause on stdout; false if the file can't be read.
bool report(const std::string& status_file);

// One line for a shell loop: "TOTAL RELAYED FAILED DELAYED QUEUED FINAL"; FINAL is 0 or 1.
bool progress(const std::string& status_file);

} // namespace bulkmail::world
