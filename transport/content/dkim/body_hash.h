// The value of bh=: the SHA-256 of a body in canonical form (RFC 6376 §3.7), taken while the body streams by.
#pragma once

#include "spool/digest.h"
#include "transport/content/dkim/canonical.h"

#include <string>
#include <string_view>

namespace bulkmail::transport {

class BodyHash {
 public:
  explicit BodyHash(Canonical form) : body_(form) {}

  void update(std::string_view block); // wire form, not dot-stuffed, cut anywhere
  [[nodiscard]] spool::Digest finish();

 private:
  CanonicalBody body_;
  spool::Sha256 sum_;
  std::string piece_;
};

} // namespace bulkmail::transport
