#include "peer.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <array>
#include <utility>

namespace bulkmail::test {

TlsHost::TlsHost(const Identity& identity, Versions versions, const CertificatePointer& chain)
    : context_(SSL_CTX_new(TLS_server_method()), SSL_CTX_free) {
  SSL_CTX* const context = context_.get();
  SSL_CTX_use_certificate(context, identity.certificate.get());
  SSL_CTX_use_PrivateKey(context, identity.key.get());
  if (chain) SSL_CTX_add1_chain_cert(context, chain.get());
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  if (versions == Versions::only_1_2) SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
  if (versions == Versions::only_1_0) {
    SSL_CTX_set_security_level(context, 0);
    SSL_CTX_set_min_proto_version(context, TLS1_VERSION);
    SSL_CTX_set_max_proto_version(context, TLS1_VERSION);
  }
}

TlsPeer::TlsPeer(const TlsHost& host) : connection_(SSL_new(host.context()), SSL_free) {
  SSL_set_bio(connection_.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
  SSL_set_accept_state(connection_.get());
}

void TlsPeer::receive(std::string_view ciphertext) {
  if (failed_ || ended_) return;
  SSL* const ssl = connection_.get();
  BIO_write(SSL_get_rbio(ssl), ciphertext.data(), static_cast<int>(ciphertext.size()));
  std::array<char, 16384> record;
  for (;;) {
    ERR_clear_error();
    const int size = SSL_read(ssl, record.data(), record.size()); // shakes hands first
    open_ = SSL_is_init_finished(ssl) == 1;
    if (size > 0) {
      plaintext_.append(record.data(), static_cast<std::size_t>(size));
      continue;
    }
    const int error = SSL_get_error(ssl, size);
    ended_ = error == SSL_ERROR_ZERO_RETURN;
    failed_ = !ended_ && error != SSL_ERROR_WANT_READ;
    return;
  }
}

void TlsPeer::write(std::string_view plaintext) {
  SSL_write(connection_.get(), plaintext.data(), static_cast<int>(plaintext.size()));
}

void TlsPeer::end() { SSL_shutdown(connection_.get()); }

std::string TlsPeer::take_plaintext() { return std::exchange(plaintext_, {}); }

std::string TlsPeer::take_output() {
  BIO* const bio = SSL_get_wbio(connection_.get());
  std::string output(BIO_ctrl_pending(bio), '\0');
  if (!output.empty()) BIO_read(bio, output.data(), static_cast<int>(output.size()));
  return output;
}

bool TlsPeer::resumed() const { return SSL_session_reused(connection_.get()) == 1; }

std::string TlsPeer::server_name() const {
  const char* const name = SSL_get_servername(connection_.get(), TLSEXT_NAMETYPE_host_name);
  return name != nullptr ? name : "";
}

std::string TlsPeer::version() const { return SSL_get_version(connection_.get()); }

} // namespace bulkmail::test
