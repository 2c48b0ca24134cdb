#include "transport/tls/handles.h"

#include <openssl/ssl.h>

namespace bulkmail::transport {

void FreeTls::operator()(SSL* connection) const { SSL_free(connection); }

void FreeTls::operator()(SSL_CTX* context) const { SSL_CTX_free(context); }

void FreeTls::operator()(SSL_SESSION* session) const { SSL_SESSION_free(session); }

} // namespace bulkmail::transport
