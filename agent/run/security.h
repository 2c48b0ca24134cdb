// What TLS has to prove about a mail host: what the mail's terms ask for of that very host.
#pragma once

#include "resolver/route.h"
#include "transport/client/client.h"
#include "transport/tls/policy.h"

namespace bulkmail::agent {

[[nodiscard]] transport::TlsPolicy tls_policy(transport::TlsLevel level, const resolver::MailHost& host);

// What that means for the dialog.
[[nodiscard]] transport::UseTls use_of_tls(const transport::TlsPolicy& policy);

} // namespace bulkmail::agent
