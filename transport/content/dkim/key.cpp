#include "transport/content/dkim/key.h"

#include "spool/digest.h"

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

namespace bulkmail::transport {
namespace {

struct Free {
  void operator()(BIO* bio) const { BIO_free(bio); }

  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};

// OpenSSL would ask at the terminal.
int no_passphrase(char* /*into*/, int /*room*/, int /*writing*/, void* /*user*/) { return -1; }

const unsigned char* octets(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

std::string reason() {
  const char* const text = ERR_reason_error_string(ERR_peek_last_error());
  std::string said = text == nullptr ? "OpenSSL does not say why" : text;
  ERR_clear_error();
  return said;
}

} // namespace

std::expected<DkimKey, std::string> DkimKey::parse(std::string_view pem) {
  const std::unique_ptr<BIO, Free> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  const std::shared_ptr<evp_pkey_st> key(
      bio ? PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, nullptr) : nullptr, EVP_PKEY_free);
  if (!key)
    return std::unexpected(fmt::format("is no private key in PEM without a passphrase ({})", reason()));
  const int type = EVP_PKEY_get_base_id(key.get());
  if (type == EVP_PKEY_ED25519) return DkimKey(key, Algorithm::ed25519_sha256);
  if (type != EVP_PKEY_RSA) return std::unexpected("is neither an RSA nor an Ed25519 key");
  const int bits = EVP_PKEY_get_bits(key.get());
  if (bits < least_bits || bits > most_bits)
    return std::unexpected(
        fmt::format("is an RSA key of {} bits: it must have from {} to {}", bits, least_bits, most_bits));
  return DkimKey(key, Algorithm::rsa_sha256);
}

int DkimKey::bits() const { return EVP_PKEY_get_bits(key_.get()); }

// RSASSA-PKCS1-v1_5 over the text's SHA-256; Ed25519 takes that digest as its message (RFC 8463 §3).
std::expected<std::string, std::string> DkimKey::sign(std::string_view text) const {
  const bool rsa = algorithm_ == Algorithm::rsa_sha256;
  const std::unique_ptr<EVP_MD_CTX, Free> context(EVP_MD_CTX_new());
  const spool::Digest digest = rsa ? spool::Digest{} : spool::sha256(text);
  const auto message =
      rsa ? text : std::string_view(reinterpret_cast<const char*>(digest.data()), digest.size());
  std::string signature(static_cast<std::size_t>(EVP_PKEY_get_size(key_.get())), '\0');
  std::size_t size = signature.size();
  const bool done =
      context &&
      EVP_DigestSignInit(context.get(), nullptr, rsa ? EVP_sha256() : nullptr, nullptr, key_.get()) == 1 &&
      EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size,
                     octets(message), message.size()) == 1;
  if (!done) return std::unexpected(fmt::format("{} failed: {}", name_of(algorithm_), reason()));
  signature.resize(size);
  return signature;
}

std::string_view name_of(DkimKey::Algorithm algorithm) {
  return algorithm == DkimKey::Algorithm::rsa_sha256 ? "rsa-sha256" : "ed25519-sha256";
}

} // namespace bulkmail::transport
