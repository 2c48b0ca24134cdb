// The client's side of one SASL exchange (RFC 4422), without I/O and without base64: what it says first, what it answers to
// each challenge, and whether the server has proved itself where it has to.
//
//   auto exchange = begin(mechanism, credentials, nonce);
//   send exchange->first(), if there is any
//   on a challenge:  auto reply = exchange->answer(challenge); none: end the exchange
//   on success:      only if exchange->satisfied()
#pragma once

#include "transport/auth/credentials.h"

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bulkmail::transport {

class Exchange {
 public:
  virtual ~Exchange() = default;
  // None: the server speaks first.
  [[nodiscard]] virtual std::optional<std::string> first() = 0;
  // None: it makes no sense, or is not from whom it should be.
  [[nodiscard]] virtual std::optional<std::string> answer(std::string_view challenge) = 0;

  [[nodiscard]] virtual bool satisfied() const { return true; }
};

[[nodiscard]] std::string_view name_of(Mechanism mechanism); // "SCRAM-SHA-256"
// The strongest mechanism that is offered, allowed, and possible with what the credentials have. `offered` are names in
// upper case.
[[nodiscard]] std::optional<Mechanism> choose(std::span<const std::string> offered,
                                              const Credentials& credentials);
// `nonce`: printable, random, of this exchange alone. The credentials must outlive it.
[[nodiscard]] std::unique_ptr<Exchange> begin(Mechanism mechanism, const Credentials& credentials,
                                              std::string nonce);

} // namespace bulkmail::transport
