// A certificate authority of the tests' own: makes hosts' certificates, good ones and bad ones, in a millisecond each.
#pragma once

#include <memory>
#include <string>
#include <vector>

struct x509_st;
struct evp_pkey_st;

namespace bulkmail::test {

using CertificatePointer = std::shared_ptr<x509_st>;
using KeyPointer = std::shared_ptr<evp_pkey_st>;

// What a host shows: its certificate with the key.
struct Identity {
  CertificatePointer certificate;
  KeyPointer key;
};

class Authority {
 public:
  Authority();

  [[nodiscard]] Identity valid(const std::vector<std::string>& names) const;
  [[nodiscard]] Identity expired(const std::vector<std::string>& names) const;
  [[nodiscard]] static Identity self_signed(const std::vector<std::string>& names);

  [[nodiscard]] const CertificatePointer& certificate() const { return root_.certificate; }

 private:
  Identity root_;
};

[[nodiscard]] std::string pem(const CertificatePointer& certificate);

// As TLSA records have it (RFC 6698 §2.1.2): the whole certificate, and its public key, in DER.
[[nodiscard]] std::string certificate_data(const Identity& identity);
[[nodiscard]] std::string public_key_data(const Identity& identity);

} // namespace bulkmail::test
