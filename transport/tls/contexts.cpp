#include "transport/tls/contexts.h"

#include "transport/tls/channel.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <utility>

namespace bulkmail::transport {

namespace {

std::expected<void, std::string> trust(SSL_CTX* context, const std::string& ca_file) {
  if (ca_file.empty()) {
    SSL_CTX_set_default_verify_paths(context); // an empty store is no error: it vouches for nobody
    return {};
  }
  errno = 0;
  if (!std::ifstream(ca_file)) {
    return std::unexpected(fmt::format("can't read {}: {}", ca_file, std::strerror(errno)));
  }
  if (SSL_CTX_load_verify_file(context, ca_file.c_str()) != 1) {
    return std::unexpected(fmt::format("no certificates in {}: {}", ca_file, take_tls_error()));
  }
  return {};
}

} // namespace

std::expected<std::shared_ptr<const TlsContexts>, std::string> TlsContexts::make(const std::string& ca_file) {
  ERR_clear_error();
  SslContextPointer client(SSL_CTX_new(TLS_client_method()));
  if (!client) return std::unexpected("no TLS: " + take_tls_error());
  SSL_CTX* const context = client.get();
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS); // an idle session keeps no 34 KiB of them
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(context, TlsChannel::keep_ticket);
  SSL_CTX_dane_enable(context);
  // A usage 3 record binds the host's key: names and dates say nothing more (RFC 7672 §3.1.1).
  SSL_CTX_dane_set_flags(context, DANE_FLAG_NO_DANE_EE_NAMECHECKS);
  if (auto trusted = trust(context, ca_file); !trusted) return std::unexpected(std::move(trusted.error()));
  return std::shared_ptr<const TlsContexts>(new TlsContexts(std::move(client)));
}

std::string take_tls_error() {
  const unsigned long error = ERR_get_error();
  const char* const reason = error != 0 ? ERR_reason_error_string(error) : nullptr;
  ERR_clear_error();
  return reason != nullptr ? reason : "no reason given";
}

} // namespace bulkmail::transport
