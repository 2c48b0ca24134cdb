// A private key that signs (RFC 6376 §3.3.1 rsa-sha256, RFC 8463 ed25519-sha256), by OpenSSL. Immutable: any thread may sign
// with it. What it holds is never shown.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <string_view>

struct evp_pkey_st;

namespace bulkmail::transport {

class DkimKey {
 public:
  enum class Algorithm : std::uint8_t { rsa_sha256, ed25519_sha256 };

  // RFC 8301 §3.2: below the first nobody takes a signature, from the second on one should sign, and more than the last no
  // verifier has to know.
  static constexpr int least_bits = 1024, wanted_bits = 2048, most_bits = 4096;

  // PEM, without a passphrase; or what is wrong with it.
  [[nodiscard]] static std::expected<DkimKey, std::string> parse(std::string_view pem);

  [[nodiscard]] Algorithm algorithm() const { return algorithm_; }

  [[nodiscard]] int bits() const; // of RSA's modulus; 256 for Ed25519

  // The octets of the signature over canonical text; or why there is none.
  [[nodiscard]] std::expected<std::string, std::string> sign(std::string_view text) const;

 private:
  DkimKey(std::shared_ptr<evp_pkey_st> key, Algorithm algorithm)
      : key_(std::move(key)),
        algorithm_(algorithm) {}

  std::shared_ptr<evp_pkey_st> key_;
  Algorithm algorithm_;
};

[[nodiscard]] std::string_view name_of(DkimKey::Algorithm algorithm); // as in a=

} // namespace bulkmail::transport
