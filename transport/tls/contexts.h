// What all TLS sessions share: one SSL_CTX with the trust store. Made at the start and again on a reload; nothing of it
// changes afterwards, so that all workers may use one.
//
// TLS 1.2 at least (RFC 8996). Security levels are OpenSSL's: a certificate that proves nothing is not refused for a weak
// key, as what would follow is clear text; one that has to prove who the host is must have 80 bits of strength.
#pragma once

#include "transport/tls/handles.h"

#include <expected>
#include <memory>
#include <string>

namespace bulkmail::transport {

class TlsContexts {
 public:
  // `ca_file`: certificates in PEM to trust in place of the system's; empty: the system's. Or why it can't be used.
  [[nodiscard]] static std::expected<std::shared_ptr<const TlsContexts>, std::string>
  make(const std::string& ca_file);

  [[nodiscard]] ssl_ctx_st* client() const { return client_.get(); }

 private:
  explicit TlsContexts(SslContextPointer client) : client_(std::move(client)) {}

  SslContextPointer client_;
};

// What OpenSSL has to say about its last failure in this thread, and nothing of it is left behind.
[[nodiscard]] std::string take_tls_error();

} // namespace bulkmail::transport
