#include "transport/auth/scram.h"

#include "spool/base64.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#include <charconv>

namespace bulkmail::transport {
namespace {

using Digest = std::array<unsigned char, SHA256_DIGEST_LENGTH>;

constexpr std::string_view no_channel_binding = "n,,"; // RFC 5802 §7: gs2-header

const unsigned char* octets(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

std::string_view text_of(const Digest& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

Digest hmac(std::string_view key, std::string_view text) {
  Digest digest{};
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), octets(text), text.size(), digest.data(),
       nullptr);
  return digest;
}

Digest sha256(std::string_view text) {
  Digest digest{};
  SHA256(octets(text), text.size(), digest.data());
  return digest;
}

std::string base64(std::string_view bytes) {
  std::string text;
  spool::append_base64(text, bytes);
  return text;
}

// RFC 5802 §5.1: "," and "=" have names of their own in a user's name.
std::string saslname(std::string_view name) {
  std::string text;
  for (const char c : name) {
    if (c == ',')
      text += "=2C";
    else if (c == '=')
      text += "=3D";
    else
      text += c;
  }
  return text;
}

// The value of the attribute that a message begins with, which is taken off it; none: it is another one.
std::optional<std::string_view> take(std::string_view& message, char attribute) {
  if (message.size() < 2 || message[0] != attribute || message[1] != '=') return std::nullopt;
  const auto comma = message.find(',');
  const auto value = message.substr(2, comma == message.npos ? message.npos : comma - 2);
  message = comma == message.npos ? std::string_view{} : message.substr(comma + 1);
  return value;
}

} // namespace

std::optional<std::string> Scram::first() {
  client_first_bare_ = "n=" + saslname(who_.username) + ",r=" + nonce_;
  return std::string(no_channel_binding) + client_first_bare_;
}

std::optional<std::string> Scram::answer(std::string_view challenge) {
  auto said = step_ == Step::first   ? prove(challenge)
              : step_ == Step::proof ? check(challenge)
                                     : std::nullopt;
  if (!said) step_ = Step::failed;
  return said;
}

// RFC 5802 §3.
std::optional<std::string> Scram::prove(std::string_view server_first) {
  std::string_view rest = server_first;
  const auto nonce = take(rest, 'r');
  const auto salt_text = nonce ? take(rest, 's') : std::nullopt;
  const auto count_text = salt_text ? take(rest, 'i') : std::nullopt;
  if (!count_text || !nonce->starts_with(nonce_) || nonce->size() == nonce_.size()) return std::nullopt;
  std::string salt;
  unsigned count = 0;
  const auto [end, error] =
      std::from_chars(count_text->data(), count_text->data() + count_text->size(), count);
  if (error != std::errc{} || end != count_text->data() + count_text->size() || count == 0 ||
      count > most_iterations || !spool::decode_base64(*salt_text, salt) || salt.empty())
    return std::nullopt;

  Digest salted{};
  if (PKCS5_PBKDF2_HMAC(who_.password.data(), static_cast<int>(who_.password.size()), octets(salt),
                        static_cast<int>(salt.size()), static_cast<int>(count), EVP_sha256(),
                        static_cast<int>(salted.size()), salted.data()) != 1)
    return std::nullopt;
  const std::string without_proof = "c=" + base64(no_channel_binding) + ",r=" + std::string(*nonce);
  const std::string auth_message = client_first_bare_ + "," + std::string(server_first) + "," + without_proof;
  const Digest client_key = hmac(text_of(salted), "Client Key");
  const Digest signature = hmac(text_of(sha256(text_of(client_key))), auth_message);
  Digest proof = client_key;
  for (std::size_t i = 0; i < proof.size(); ++i)
    proof[i] = static_cast<unsigned char>(proof[i] ^ signature[i]);
  server_signature_ = text_of(hmac(text_of(hmac(text_of(salted), "Server Key")), auth_message));
  OPENSSL_cleanse(salted.data(), salted.size());
  step_ = Step::proof;
  return without_proof + ",p=" + base64(text_of(proof));
}

std::optional<std::string> Scram::check(std::string_view server_final) {
  std::string_view rest = server_final;
  const auto verifier = take(rest, 'v');
  std::string signature;
  if (!verifier || !spool::decode_base64(*verifier, signature) ||
      signature.size() != server_signature_.size() ||
      CRYPTO_memcmp(signature.data(), server_signature_.data(), signature.size()) != 0)
    return std::nullopt;
  step_ = Step::proven;
  return std::string();
}

} // namespace bulkmail::transport
