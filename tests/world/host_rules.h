// How one mail host behaves: its keys, and the conditional overrides of `when` (README.md, "Mail hosts").
#pragma once

#include "tests/world/host_tls.h"
#include "tests/world/selectors.h"
#include "tests/world/step.h"

#include <array>
#include <span>
#include <unordered_map>

namespace bulkmail::world {

// Where in a host's life a rule is looked up: what the selectors look at.
struct Moment {
  std::uint64_t connection = 0;            // nth of the host
  std::uint64_t transaction = 0;           // nth of the connection
  std::uint64_t message = 0;               // nth MAIL of the host
  std::uint64_t attempt = 0;               // nth time the host was given this recipient
  std::string_view sender;                 // lower case
  std::span<const std::string> recipients; // lower case
  std::string_view address;                // connected to
  milliseconds elapsed{0};                 // since the world started
};

// The keys that may also stand in a `when` entry.
struct HostKeys {
  std::optional<std::vector<std::string>> extensions;
  std::optional<bool> helo_only, data_without_recipients, broken_pipelining;
  std::optional<milliseconds> latency, greylist;
  std::optional<std::uint64_t> max_connections, max_messages, max_recipients, max_size;
  std::array<std::optional<Step>, stages> at;
  std::unordered_map<std::string, Step> users;             // by exact recipient
  std::vector<std::pair<std::string, Step>> user_prefixes; // in the file's order

  static HostKeys read(Fields& fields);
  [[nodiscard]] const Step* step(Stage stage, const Moment& moment) const;
};

struct HostSelector {
  Numbers connection, transaction, message, attempt;
  Patterns rcpt, sender, address;
  Span span;

  static HostSelector read(Fields& fields);
  [[nodiscard]] bool holds(const Moment& moment) const;
};

class HostRules {
 public:
  static HostRules read(const Json& value, const std::string& path);

  std::vector<std::string> addresses;
  bool down = false;
  bool blackhole = false;
  std::optional<HostTls> tls;

  // The first `when` entry that holds and has the key, else the host's own; null: not said.
  template <class T>
  [[nodiscard]] const T* find(std::optional<T> HostKeys::* key, const Moment& moment) const {
    for (const auto& [selector, keys] : when_)
      if ((keys.*key) && selector.holds(moment)) return &*(keys.*key);
    return (keys_.*key) ? &*(keys_.*key) : nullptr;
  }

  template <class T>
  [[nodiscard]] T get(std::optional<T> HostKeys::* key, const Moment& moment, T otherwise) const {
    const T* found = find(key, moment);
    return found ? *found : otherwise;
  }

  [[nodiscard]] const Step* step(Stage stage, const Moment& moment) const;

  [[nodiscard]] bool counts_attempts() const { return counts_attempts_; }

  [[nodiscard]] bool limits_connections() const { return limits_connections_; }

  // Some step stops reading: the listener then asks for a small receive buffer, so that the peer feels it.
  [[nodiscard]] bool turns_deaf() const { return turns_deaf_; }

 private:
  HostKeys keys_;
  std::vector<std::pair<HostSelector, HostKeys>> when_;
  bool counts_attempts_ = false;
  bool limits_connections_ = false;
  bool turns_deaf_ = false;
};

} // namespace bulkmail::world
