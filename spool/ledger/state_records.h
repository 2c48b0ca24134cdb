// What the journal says of one message: its `begin`, and its whole state as `kept` records.
#pragma once

#include "spool/message.h"

#include <string>

namespace bulkmail::spool {

void append_begin(const Message& message, std::string& out);
// Begin and state together: with these durable, every older record of the message is obsolete.
void append_state(const Message& message, std::string& out);

} // namespace bulkmail::spool
