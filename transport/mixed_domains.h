// Whether a host refuses a recipient, or all, because the transaction has recipients of several domains. No code says so
// (RFC 5321 knows no such limit, RFC 3463 has no detail for it), so that the text has to.
//
// It is asked of such transactions alone, and what it says yes to is tried once more without: a mistake costs a transaction
// and some domains that go apart for a while.
#pragma once

#include "transport/client/transaction.h"

namespace bulkmail::transport {

[[nodiscard]] bool refuses_mixed_domains(const RecipientResult& result);

} // namespace bulkmail::transport
