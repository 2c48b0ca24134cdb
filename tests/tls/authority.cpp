#include "authority.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <cstdint>
#include <stdexcept>

namespace bulkmail::test {

namespace {

constexpr long day = 24L * 3600;

struct Life {
  long from, to; // seconds from now
};

constexpr Life good{-day, 30 * day};
constexpr Life over{-30 * day, -day};

void add_extension(X509* certificate, X509* issuer, int kind, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str());
  if (extension == nullptr) throw std::runtime_error("no such extension: " + value);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

std::string alternative_names(const std::vector<std::string>& names) {
  std::string all;
  for (const std::string& name : names) {
    const bool address = name.find_first_not_of("0123456789.:") == std::string::npos;
    all += (all.empty() ? "" : ",") + std::string(address ? "IP:" : "DNS:") + name;
  }
  return all;
}

// `issuer` null: signed by its own key.
Identity make(const std::string& common_name, const std::vector<std::string>& names, Life life,
              bool authority, const Identity* issuer) {
  Identity made{CertificatePointer(X509_new(), X509_free), KeyPointer(EVP_EC_gen("P-256"), EVP_PKEY_free)};
  X509* const certificate = made.certificate.get();
  X509_set_version(certificate, X509_VERSION_3);
  std::int64_t serial = 0;
  RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof serial);
  ASN1_INTEGER_set_int64(X509_get_serialNumber(certificate), serial & INT64_MAX);
  X509_gmtime_adj(X509_getm_notBefore(certificate), life.from);
  X509_gmtime_adj(X509_getm_notAfter(certificate), life.to);
  X509_set_pubkey(certificate, made.key.get());
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(common_name.c_str()), -1, -1, 0);
  X509* const by = issuer != nullptr ? issuer->certificate.get() : certificate;
  X509_set_issuer_name(certificate, X509_get_subject_name(by));
  add_extension(certificate, by, NID_basic_constraints, authority ? "critical,CA:TRUE" : "CA:FALSE");
  add_extension(certificate, by, NID_subject_key_identifier, "hash");
  if (issuer != nullptr) add_extension(certificate, by, NID_authority_key_identifier, "keyid");
  if (!names.empty()) add_extension(certificate, by, NID_subject_alt_name, alternative_names(names));
  X509_sign(certificate, (issuer != nullptr ? *issuer : made).key.get(), EVP_sha256());
  return made;
}

} // namespace

Authority::Authority() : root_(make("Tests' authority", {}, good, true, nullptr)) {}

Identity Authority::valid(const std::vector<std::string>& names) const {
  return make("a mail host", names, good, false, &root_);
}

Identity Authority::expired(const std::vector<std::string>& names) const {
  return make("a mail host", names, over, false, &root_);
}

Identity Authority::self_signed(const std::vector<std::string>& names) {
  return make("a mail host", names, good, false, nullptr);
}

std::string pem(const CertificatePointer& certificate) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> bio(BIO_new(BIO_s_mem()), BIO_free);
  PEM_write_bio_X509(bio.get(), certificate.get());
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &text);
  return {text, static_cast<std::size_t>(size)};
}

std::string certificate_data(const Identity& identity) {
  unsigned char* data = nullptr;
  const int size = i2d_X509(identity.certificate.get(), &data);
  std::string octets(reinterpret_cast<const char*>(data), static_cast<std::size_t>(size));
  OPENSSL_free(data);
  return octets;
}

std::string public_key_data(const Identity& identity) {
  unsigned char* data = nullptr;
  const int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(identity.certificate.get()), &data);
  std::string octets(reinterpret_cast<const char*>(data), static_cast<std::size_t>(size));
  OPENSSL_free(data);
  return octets;
}

} // namespace bulkmail::test
