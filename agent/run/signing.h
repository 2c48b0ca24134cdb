// Who signs which mail (DKIM, RFC 6376), and the signing of one message.
//
//   MessageSigner signer(signers, now);
//   for each block of the content in wire form: signer.update(block);
//   auto fields = signer.finish(); // they go before the message's first field
//
// An entry signs what a From of its domains stands in: that is the domain whose policy (DMARC, RFC 7489) asks for a signature.
// Every entry that matches signs.
#pragma once

#include "agent/config/dkim_rule.h"
#include "agent/queue/pattern.h"
#include "spool/time.h"
#include "transport/content/dkim/body_hash.h"
#include "transport/content/dkim/signature.h"

#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bulkmail::agent {

// What is to be said of keys that sign but should not.
[[nodiscard]] std::vector<std::string> weak_keys(std::span<const DkimRule> rules);

// Immutable: the pool's threads sign with it.
class Signers {
 public:
  explicit Signers(std::span<const DkimRule> rules); // judged before, their keys read

  // `author`: the domain of From, canonical.
  [[nodiscard]] std::vector<const transport::DkimIdentity*> matching(std::string_view author) const;

  // How long a signature may be kept before it is sent; none: there is no end to it.
  [[nodiscard]] std::optional<milliseconds> fresh_for() const { return fresh_for_; }

 private:
  struct Entry {
    std::vector<DomainPattern> match;
    transport::DkimIdentity identity;
  };

  std::vector<Entry> entries_;
  std::optional<milliseconds> fresh_for_;
};

class MessageSigner {
 public:
  // Mail hosts take far less; a file without an empty line is no mail.
  static constexpr std::size_t most_header = 1 << 20;

  MessageSigner(std::shared_ptr<const Signers> signers, Wall now) : signers_(std::move(signers)), now_(now) {}

  void update(std::string_view block); // wire form, not dot-stuffed, cut anywhere
  // The signatures, each a whole field; "": nobody signs such mail. Or why it can't be signed.
  [[nodiscard]] std::expected<std::string, std::string> finish();

 private:
  void choose();

  std::shared_ptr<const Signers> signers_;
  Wall now_;
  std::string header_;
  bool in_body_ = false;
  std::vector<const transport::DkimIdentity*> identities_;
  // One for each form that is asked for: entries share it.
  std::vector<std::pair<transport::Canonical, transport::BodyHash>> hashes_;
};

} // namespace bulkmail::agent
