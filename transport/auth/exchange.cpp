#include "transport/auth/exchange.h"

#include "transport/auth/scram.h"

#include <algorithm>
#include <utility>

namespace bulkmail::transport {
namespace {

// RFC 4616.
class Plain final : public Exchange {
 public:
  explicit Plain(const Credentials& who) : who_(who) {}

  std::optional<std::string> first() override {
    std::string message(1, '\0');
    message.append(who_.username).append(1, '\0').append(who_.password);
    return message;
  }

  std::optional<std::string> answer(std::string_view /*challenge*/) override { return std::nullopt; }

 private:
  const Credentials& who_;
};

// draft-murchison-sasl-login: whatever it is asked, first the name and then the password.
class Login final : public Exchange {
 public:
  explicit Login(const Credentials& who) : who_(who) {}

  std::optional<std::string> first() override { return std::nullopt; }

  std::optional<std::string> answer(std::string_view /*challenge*/) override {
    switch (asked_++) {
    case 0: return who_.username;
    case 1: return who_.password;
    default: return std::nullopt;
    }
  }

 private:
  const Credentials& who_;
  int asked_ = 0;
};

// Google's and Microsoft's XOAUTH2: a challenge is a refusal in JSON, and wants an empty answer before the reply.
class Xoauth2 final : public Exchange {
 public:
  explicit Xoauth2(const Credentials& who) : who_(who) {}

  std::optional<std::string> first() override {
    return "user=" + who_.username +
           "\x01"
           "auth=Bearer " +
           who_.token + "\x01\x01";
  }

  std::optional<std::string> answer(std::string_view /*challenge*/) override {
    if (std::exchange(refused_, true)) return std::nullopt;
    return std::string();
  }

  [[nodiscard]] bool satisfied() const override { return !refused_; }

 private:
  const Credentials& who_;
  bool refused_ = false;
};

bool possible(Mechanism mechanism, const Credentials& credentials) {
  return !(mechanism == Mechanism::xoauth2 ? credentials.token : credentials.password).empty();
}

constexpr Mechanism by_strength[] = {Mechanism::scram_sha_256, Mechanism::xoauth2, Mechanism::plain,
                                     Mechanism::login};

} // namespace

std::string_view name_of(Mechanism mechanism) {
  switch (mechanism) {
  case Mechanism::scram_sha_256: return "SCRAM-SHA-256";
  case Mechanism::xoauth2: return "XOAUTH2";
  case Mechanism::plain: return "PLAIN";
  case Mechanism::login: return "LOGIN";
  }
  return {};
}

std::optional<Mechanism> choose(std::span<const std::string> offered, const Credentials& credentials) {
  for (const Mechanism mechanism : by_strength)
    if (possible(mechanism, credentials) &&
        std::ranges::find(credentials.allowed, mechanism) != credentials.allowed.end() &&
        std::ranges::find(offered, name_of(mechanism)) != offered.end())
      return mechanism;
  return std::nullopt;
}

std::unique_ptr<Exchange> begin(Mechanism mechanism, const Credentials& credentials, std::string nonce) {
  switch (mechanism) {
  case Mechanism::scram_sha_256: return std::make_unique<Scram>(credentials, std::move(nonce));
  case Mechanism::xoauth2: return std::make_unique<Xoauth2>(credentials);
  case Mechanism::login: return std::make_unique<Login>(credentials);
  case Mechanism::plain: break;
  }
  return std::make_unique<Plain>(credentials);
}

} // namespace bulkmail::transport
