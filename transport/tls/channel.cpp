#include "transport/tls/channel.h"

#include "transport/printable.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <utility>

namespace bulkmail::transport {

namespace {

// OpenSSL's security levels: 0 takes any key, 1 those of 80 bits of strength (1024-bit RSA).
constexpr int any_strength = 0;
constexpr int proof_strength = 1;

// A TLS record holds no more (RFC 8446 §5.1).
constexpr std::size_t max_record = 16 * 1024;

const unsigned char* octets(const std::string& text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

TlsFault fault_of(long verified) {
  switch (verified) {
  case X509_V_ERR_HOSTNAME_MISMATCH:
  case X509_V_ERR_IP_ADDRESS_MISMATCH: return TlsFault::name;
  case X509_V_ERR_CERT_HAS_EXPIRED: return TlsFault::expired;
  case X509_V_ERR_DANE_NO_MATCH: return TlsFault::tlsa;
  default: return TlsFault::untrusted;
  }
}

} // namespace

TlsChannel::TlsChannel(std::shared_ptr<const TlsContexts> contexts, TlsPolicy policy, Tickets tickets,
                       Monotonic now)
    : contexts_(std::move(contexts)),
      policy_(std::move(policy)),
      tickets_(tickets),
      now_(now),
      connection_(SSL_new(contexts_->client())) {
  SSL* const ssl = connection_.get();
  BIO* const bio = make_bio(wire_);
  SSL_set_bio(ssl, bio, bio); // its owner from now on
  SSL_set_app_data(ssl, this);
  SSL_set_connect_state(ssl);
  if (!policy_.server_name.empty()) SSL_set_tlsext_host_name(ssl, policy_.server_name.c_str());
  policy_.level == TlsLevel::dane ? ask_for_tlsa() : ask_for_names();
  SSL_set_security_level(ssl, policy_.authenticated() ? proof_strength : any_strength);
  SSL_set_verify(ssl, policy_.authenticated() ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
  if (const auto ticket = tickets_.store.take(tickets_.key, now)) SSL_set_session(ssl, ticket.get());
  shake_hands();
}

// OpenSSL takes a ticket for spoilt whose connection was not shut down; TLS 1.3 knows no such thing.
TlsChannel::~TlsChannel() { SSL_set_shutdown(connection_.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN); }

void TlsChannel::ask_for_names() {
  SSL* const ssl = connection_.get();
  SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
                             (policy_.level == TlsLevel::mta_sts ? X509_CHECK_FLAG_NEVER_CHECK_SUBJECT : 0));
  for (const std::string& name : policy_.names) {
    if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name.c_str()) != 1)
      SSL_add1_host(ssl, name.c_str());
  }
  ERR_clear_error();
}

// Records that can't be read are as if they were not there; if none is left, there is nothing to match, but a domain that has
// published some is not to be sent to in clear (RFC 7672 §2.2).
void TlsChannel::ask_for_tlsa() {
  SSL* const ssl = connection_.get();
  SSL_dane_enable(ssl, policy_.names.front().c_str());
  for (std::size_t i = 1; i < policy_.names.size(); ++i) SSL_add1_host(ssl, policy_.names[i].c_str());
  bool usable = false;
  for (const resolver::TlsaRecord& record : policy_.tlsa) {
    usable |= SSL_dane_tlsa_add(ssl, record.usage, record.selector, record.matching, octets(record.data),
                                record.data.size()) == 1;
  }
  if (!usable) policy_.level = TlsLevel::encrypt;
  ERR_clear_error();
}

void TlsChannel::receive(std::string_view ciphertext, Monotonic now) {
  if (state_ == State::ended || state_ == State::failed) return;
  now_ = now;
  wire_.in = ciphertext;
  if (state_ == State::handshake) shake_hands();
  if (state_ == State::open) read();
  wire_.in = {};
}

void TlsChannel::shake_hands() {
  ERR_clear_error();
  const int result = SSL_do_handshake(connection_.get());
  if (result == 1)
    state_ = State::open;
  else if (SSL_get_error(connection_.get(), result) != SSL_ERROR_WANT_READ)
    fail(result);
}

void TlsChannel::read() {
  ERR_clear_error();
  std::array<char, max_record> record;
  for (;;) {
    std::size_t size = 0;
    const int result = SSL_read_ex(connection_.get(), record.data(), record.size(), &size);
    if (result == 1) {
      plaintext_.append(record.data(), size);
      continue;
    }
    const int error = SSL_get_error(connection_.get(), result);
    if (error == SSL_ERROR_WANT_READ) return;
    if (error != SSL_ERROR_ZERO_RETURN) return fail(result);
    state_ = State::ended;
    return;
  }
}

void TlsChannel::write(std::string_view plaintext) {
  if (state_ != State::open || plaintext.empty()) return;
  ERR_clear_error();
  // Room for each record's header, content type and tag.
  constexpr std::size_t overhead = 22;
  wire_.out.reserve(wire_.out.size() + plaintext.size() + overhead * (plaintext.size() / max_record + 1));
  std::size_t done = 0;
  const int result = SSL_write_ex(connection_.get(), plaintext.data(), plaintext.size(), &done);
  if (result != 1) fail(result);
}

void TlsChannel::end() {
  if (state_ != State::open) return;
  ERR_clear_error();
  SSL_shutdown(connection_.get());
}

void TlsChannel::fail(int result) {
  const bool told = SSL_get_error(connection_.get(), result) == SSL_ERROR_SSL;
  const std::string reason = told ? take_tls_error() : "internal error";
  const long verified = SSL_get_verify_result(connection_.get());
  if (state_ == State::open) {
    problem_ = printable(fmt::format("TLS failed: {}", reason));
  } else if (policy_.authenticated() && verified != X509_V_OK) {
    problem_ = fmt::format("the certificate does not hold: {}", X509_verify_cert_error_string(verified));
    fault_ = fault_of(verified);
  } else {
    problem_ = printable(fmt::format("TLS handshake failed: {}", reason));
  }
  state_ = State::failed;
}

spool::TlsInfo TlsChannel::info() const {
  const SSL* const ssl = connection_.get();
  return {.version = SSL_get_version(ssl),
          .cipher = SSL_get_cipher_name(ssl),
          .policy = std::string(to_string(policy_.level)),
          .verified = SSL_get_verify_result(ssl) == X509_V_OK};
}

std::optional<TlsFault> TlsChannel::flaw() const {
  const long verified = SSL_get_verify_result(connection_.get());
  return verified == X509_V_OK ? std::nullopt : std::optional(fault_of(verified));
}

bool TlsChannel::resumed() const { return SSL_session_reused(connection_.get()) == 1; }

// Answers whether the ticket was kept: its reference is this channel's then.
int TlsChannel::keep_ticket(SSL* connection, SSL_SESSION* ticket) {
  auto& self = *static_cast<TlsChannel*>(SSL_get_app_data(connection));
  if (SSL_SESSION_is_resumable(ticket) == 0) return 0;
  self.tickets_.store.add(self.tickets_.key, SslSessionPointer(ticket), self.now_);
  return 1;
}

} // namespace bulkmail::transport
