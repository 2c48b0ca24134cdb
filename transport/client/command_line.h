// The command lines that carry an envelope (RFC 5321 §4.1.1.2, §4.1.1.3), with those parameters that the host
// offers. The strings must have passed unsuitable().
#pragma once

#include "transport/client/offer.h"
#include "transport/client/transaction.h"

#include <string>

namespace bulkmail::transport {

void append_mail(std::string& out, const Transaction& transaction, const Offer& offer);
void append_rcpt(std::string& out, const TransactionRecipient& recipient, const Offer& offer);

} // namespace bulkmail::transport
