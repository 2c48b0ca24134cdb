// SCRAM-SHA-256 (RFC 5802, RFC 7677), without channel binding: the password never leaves, and the server proves that it
// knows it too. A name and a password beyond ASCII are sent as they are (no SASLprep).
#pragma once

#include "transport/auth/exchange.h"

#include <array>
#include <cstdint>
#include <string>

namespace bulkmail::transport {

class Scram final : public Exchange {
 public:
  // RFC 7677 §4 asks servers for 4096 at least. Each costs the loop a microsecond, and so many are a tenth of a second's
  // fifth: a server that wants more is not waited for.
  static constexpr unsigned most_iterations = 20'000;

  Scram(const Credentials& who, std::string nonce) : who_(who), nonce_(std::move(nonce)) {}

  std::optional<std::string> first() override;
  std::optional<std::string> answer(std::string_view challenge) override;

  [[nodiscard]] bool satisfied() const override { return step_ == Step::proven; }

 private:
  std::optional<std::string> prove(std::string_view server_first);
  std::optional<std::string> check(std::string_view server_final);

  const Credentials& who_;
  std::string nonce_;
  std::string client_first_bare_;
  std::string server_signature_; // as it is to come
  enum class Step : std::uint8_t { first, proof, proven, failed } step_ = Step::first;
};

} // namespace bulkmail::transport
